use std::sync::OnceLock;

/// What is known of schema ids, kept in a list that only grows.
///
/// Looking up takes no lock and writes nothing, so that threads that decode side by side share no cache line that changes.
/// A topic's schemas are few, and the list is searched in the order they were met.
pub(crate) struct Learnt<T> {
    first: OnceLock<Box<Link<T>>>,
}

struct Link<T> {
    id: u32,
    learnt: T,
    next: OnceLock<Box<Link<T>>>,
}

impl<T> Default for Learnt<T> {
    fn default() -> Self {
        Self { first: OnceLock::new() }
    }
}

impl<T: Clone> Learnt<T> {
    /// What is known of `id`; `learn` is asked at the first meeting, and what it answers is kept for good.
    pub(crate) fn get<E>(&self, id: u32, learn: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let mut slot = &self.first;
        while let Some(link) = slot.get() {
            if link.id == id {
                return Ok(&link.learnt);
            }
            slot = &link.next;
        }
        Ok(Self::append(slot, id, &learn()?))
    }

    /// Another thread may append meanwhile, the same id too: then its link stays and is used.
    fn append<'l>(mut slot: &'l OnceLock<Box<Link<T>>>, id: u32, learnt: &T) -> &'l T {
        loop {
            let link =
                slot.get_or_init(|| Box::new(Link { id, learnt: learnt.clone(), next: OnceLock::new() }));
            if link.id == id {
                return &link.learnt;
            }
            slot = &link.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;
    use std::iter::successors;
    use std::thread;

    use super::*;

    #[test]
    fn an_id_is_learnt_once_and_a_failure_is_not_kept() {
        let learnt = Learnt::<u32>::default();
        assert_eq!(learnt.get(1, || Err("down")), Err("down"));
        assert_eq!(learnt.get(1, || Ok::<_, &str>(10)), Ok(&10));
        assert_eq!(learnt.get(2, || Ok::<_, &str>(20)), Ok(&20));
        assert_eq!(learnt.get(1, || Err("asked again")), Ok(&10));
    }

    #[test]
    fn threads_that_meet_the_same_ids_keep_each_once() {
        let learnt = Learnt::<u32>::default();
        thread::scope(|scope| {
            for turn in 0..4_u32 {
                let learnt = &learnt;
                scope.spawn(move || {
                    for id in (0..100).map(|i| (i * 7 + turn * 31) % 100) {
                        let Ok(found) = learnt.get(id, || Ok::<_, Infallible>(id * 2));
                        assert_eq!(*found, id * 2);
                    }
                });
            }
        });
        let ids: Vec<_> =
            successors(learnt.first.get(), |link| link.next.get()).map(|link| link.id).collect();
        assert_eq!(ids.len(), 100);
        assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 100);
    }
}
