use super::{Alone, referring, subject};
use crate::{Config, Definition, Filter, Level, Mode, Registration, VersionRange};

const ONE: &str = r#""int""#;
const TWO: &str = r#""long""#;

fn delete(all: &mut Alone, name: &str, range: VersionRange, is_permanent: bool) -> Result<u32, u32> {
    let decision = all.state.delete_version(&subject(name), range, is_permanent);
    all.done(decision).map_err(|refusal| refusal.code())
}

fn delete_all(all: &mut Alone, name: &str, is_permanent: bool) -> Result<Vec<u32>, u32> {
    let decision = all.state.delete_subject(&subject(name), is_permanent);
    all.done(decision).map_err(|refusal| refusal.code())
}

fn versions(all: &Alone, name: &str, filter: Filter) -> Result<Vec<u32>, u32> {
    all.state.versions(&subject(name), filter).map_err(|refusal| refusal.code())
}

#[test]
fn a_version_is_deleted_softly_first_and_then_for_good() {
    let mut all = Alone::default();
    all.id("s", ONE);
    all.id("s", TWO);
    let (one, two) = (VersionRange::Exactly(1), VersionRange::Exactly(2));
    assert_eq!(delete(&mut all, "t", one, false), Err(40401));
    assert_eq!(delete(&mut all, "s", VersionRange::Exactly(3), false), Err(40402));
    assert_eq!(delete(&mut all, "s", one, true), Err(40407));
    assert_eq!(delete(&mut all, "s", one, false), Ok(1));
    assert_eq!(delete(&mut all, "s", one, false), Err(40406));
    assert_eq!(versions(&all, "s", Filter::Live), Ok(vec![2]));
    assert_eq!(versions(&all, "s", Filter::OnlyDeleted), Ok(vec![1]));
    assert_eq!(all.state.version(&subject("s"), one, Filter::Live).unwrap_err().code(), 40402);
    assert!(all.state.schema(1).is_ok(), "what was written with it can still be read");
    assert_eq!(delete(&mut all, "s", one, true), Ok(1));
    assert_eq!(all.state.schema(1).unwrap_err().code(), 40403);
    assert_eq!(delete(&mut all, "s", VersionRange::Latest, false), Ok(2));
    assert_eq!(versions(&all, "s", Filter::Live), Err(40401));
    assert_eq!(delete(&mut all, "s", two, true), Ok(2));
    assert_eq!(versions(&all, "s", Filter::WithDeleted), Err(40401));
}

#[test]
fn a_subject_is_deleted_softly_first_and_then_for_good() {
    let mut all = Alone::default();
    all.id("s", ONE);
    all.id("s", TWO);
    assert_eq!(delete_all(&mut all, "t", false), Err(40401));
    assert_eq!(delete_all(&mut all, "s", true), Err(40405));
    assert_eq!(delete_all(&mut all, "s", false), Ok(vec![1, 2]));
    assert_eq!(delete_all(&mut all, "s", false), Err(40404));
    assert_eq!(all.state.subjects(Filter::Live, "").count(), 0);
    assert_eq!(all.state.subjects(Filter::WithDeleted, "").count(), 1);
    assert_eq!(all.state.subjects(Filter::OnlyDeleted, "").count(), 1);
    assert_eq!(delete_all(&mut all, "s", true), Ok(vec![1, 2]));
    assert_eq!(all.state.subjects(Filter::WithDeleted, "").count(), 0);
}

#[test]
fn ids_are_never_given_out_again() {
    let mut all = Alone::default();
    assert_eq!((all.id("s", ONE), all.id("s", TWO)), (1, 2));
    delete_all(&mut all, "s", false).unwrap();
    delete_all(&mut all, "s", true).unwrap();
    assert_eq!(all.register("s", ONE).unwrap().id, 3);
}

#[test]
fn after_a_soft_deletion_versions_go_on_and_the_id_comes_back() {
    let mut all = Alone::default();
    all.id("s", ONE);
    delete_all(&mut all, "s", false).unwrap();
    let again = all.register("s", ONE).unwrap();
    assert_eq!((again.id, again.version), (1, 2));
    assert_eq!(
        versions(&all, "s", Filter::WithDeleted),
        Ok(vec![2]),
        "the new version takes the place of the old"
    );
    let look = |filter| all.state.look_up(&subject("s"), &Registration::of(Definition::avro(ONE)), filter);
    assert_eq!(look(Filter::Live).unwrap().version, 2);
}

#[test]
fn what_is_deleted_is_not_held_against_new_schemas() {
    let mut all = Alone::default();
    all.id("s", r#""string""#);
    all.register("s", ONE).unwrap_err();
    delete(&mut all, "s", VersionRange::Latest, false).unwrap();
    assert_eq!(all.register("s", ONE).unwrap().version, 2);
}

#[test]
fn the_settings_of_a_subject_go_with_its_last_version() {
    for by_version in [true, false] {
        let mut all = Alone::default();
        all.id("s", ONE);
        let scope = Some(subject("s"));
        let config = all.state.set_config(&scope, Config { level: Some(Level::Full), normalize: None });
        all.done(config).unwrap();
        let mode = all.state.set_mode(&scope, Mode::ReadWrite, false);
        all.done(mode).unwrap();
        if by_version {
            delete(&mut all, "s", VersionRange::Latest, false).unwrap();
        } else {
            delete_all(&mut all, "s", false).unwrap();
        }
        assert_eq!((all.state.config(&scope), all.state.mode(&scope)), (None, None));
    }
}

#[test]
fn what_others_refer_to_stays() {
    let mut all = Alone::default();
    all.id("c", r#"{"type":"fixed","name":"C","size":2}"#);
    let array = r#"{"type":"array","items":"C"}"#;
    all.register_as("a", &referring(array, &[("C", "c", 1)])).unwrap();
    assert_eq!(delete(&mut all, "c", VersionRange::Latest, false), Err(42206));
    assert_eq!(delete_all(&mut all, "c", false), Err(42206));
    delete_all(&mut all, "a", false).unwrap();
    assert_eq!(delete_all(&mut all, "c", false), Ok(vec![1]));
}

#[test]
fn a_deleted_version_that_others_refer_to_is_not_replaced() {
    let mut all = Alone::default();
    let fixed = r#"{"type":"fixed","name":"C","size":2}"#;
    all.id("c", fixed);
    delete_all(&mut all, "c", false).unwrap();
    let array = referring(r#"{"type":"array","items":"C"}"#, &[("C", "c", 1)]);
    all.register_as("a", &array).unwrap();
    assert_eq!(all.register("c", fixed).unwrap().version, 2);
    assert_eq!(versions(&all, "c", Filter::WithDeleted), Ok(vec![1, 2]));
    assert!(all.register_as("b", &array).is_ok(), "its types can still be found");
}
