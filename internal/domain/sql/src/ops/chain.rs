use millstream_model::Value;

use super::{State, StepError, entry};

/// Entries that belong together, in the order in which each last came, over a state that can only get and put.
///
/// Each entry names the one before and the one behind it, so that a change writes a few entries however many there are.
pub(super) struct Chain<'k> {
    prefix: u8,
    owner: &'k [u8],
}

struct Link {
    before: Value,
    behind: Value,
    content: Value,
}

const HEAD: u8 = 0;
const ENTRY: u8 = 1;

impl<'k> Chain<'k> {
    /// The chain of `owner`, whose bytes must say where they end, as every encoded value's do.
    pub(super) fn new(prefix: u8, owner: &'k [u8]) -> Self {
        Self { prefix, owner }
    }

    fn place(&self, kind: u8, id: &[u8]) -> Vec<u8> {
        [&[self.prefix, kind], self.owner, id].concat()
    }

    /// Puts an entry at the end, in place of the one of the same `id`; answers whether there was one.
    pub(super) fn push(&self, state: &mut dyn State, id: &[u8], content: Value) -> Result<bool, StepError> {
        let known = self.remove(state, id)?;
        let name = Value::Bytes(id.into());
        let (first, last) = self.ends(state)?;
        if let Value::Bytes(last) = &last {
            let link = self.link(state, last)?;
            self.write(state, last, Link { behind: name.clone(), ..link })?;
        }
        self.write(state, id, Link { before: last, behind: Value::Null, content })?;
        let first = if first.is_null() { name.clone() } else { first };
        self.set_ends(state, first, name)?;
        Ok(known)
    }

    /// Whether there is an entry of this `id`.
    pub(super) fn has(&self, state: &mut dyn State, id: &[u8]) -> Result<bool, StepError> {
        Ok(state.get(&self.place(ENTRY, id))?.is_some())
    }

    /// Takes an entry out; answers whether there was one.
    pub(super) fn remove(&self, state: &mut dyn State, id: &[u8]) -> Result<bool, StepError> {
        let Some(entry) = entry::get(state, &self.place(ENTRY, id))? else { return Ok(false) };
        let link = read(entry)?;
        let (mut first, mut last) = self.ends(state)?;
        match &link.before {
            Value::Bytes(before) => {
                let other = self.link(state, before)?;
                self.write(state, before, Link { behind: link.behind.clone(), ..other })?;
            }
            _ => first = link.behind.clone(),
        }
        match &link.behind {
            Value::Bytes(behind) => {
                let other = self.link(state, behind)?;
                self.write(state, behind, Link { before: link.before.clone(), ..other })?;
            }
            _ => last = link.before.clone(),
        }
        state.put(&self.place(ENTRY, id), None)?;
        self.set_ends(state, first, last)?;
        Ok(true)
    }

    /// Every entry's content, in order.
    pub(super) fn contents(&self, state: &mut dyn State) -> Result<Vec<Value>, StepError> {
        let (mut next, _) = self.ends(state)?;
        let mut all = Vec::new();
        while let Value::Bytes(id) = next {
            let link = self.link(state, &id)?;
            all.push(link.content);
            next = link.behind;
        }
        Ok(all)
    }

    /// Takes entries out that are all there are.
    pub(super) fn clear(
        &self,
        state: &mut dyn State,
        ids: impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), StepError> {
        for id in ids {
            state.put(&self.place(ENTRY, &id), None)?;
        }
        self.set_ends(state, Value::Null, Value::Null)
    }

    fn ends(&self, state: &mut dyn State) -> Result<(Value, Value), StepError> {
        match entry::get(state, &self.place(HEAD, &[]))? {
            None => Ok((Value::Null, Value::Null)),
            Some(Value::Struct(ends)) => {
                let [first, last] = <[Value; 2]>::try_from(ends).map_err(|_| DAMAGED)?;
                Ok((first, last))
            }
            Some(_) => Err(DAMAGED),
        }
    }

    fn set_ends(&self, state: &mut dyn State, first: Value, last: Value) -> Result<(), StepError> {
        let ends = (!first.is_null()).then(|| Value::Struct(vec![first, last]));
        entry::put(state, &self.place(HEAD, &[]), ends.as_ref())
    }

    fn link(&self, state: &mut dyn State, id: &[u8]) -> Result<Link, StepError> {
        entry::get(state, &self.place(ENTRY, id))?.ok_or(DAMAGED).and_then(read)
    }

    fn write(&self, state: &mut dyn State, id: &[u8], link: Link) -> Result<(), StepError> {
        let entry = Value::Struct(vec![link.before, link.behind, link.content]);
        entry::put(state, &self.place(ENTRY, id), Some(&entry))
    }
}

const DAMAGED: StepError = StepError::Damaged("a chain of the state");

fn read(entry: Value) -> Result<Link, StepError> {
    let Value::Struct(parts) = entry else { return Err(DAMAGED) };
    let [before, behind, content] = <[Value; 3]>::try_from(parts).map_err(|_| DAMAGED)?;
    Ok(Link { before, behind, content })
}
