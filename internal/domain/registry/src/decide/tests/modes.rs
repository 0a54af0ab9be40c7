use super::{Alone, subject};
use crate::{Config, Definition, Filter, Level, Mode, Registration};

const ONE: &str = r#""int""#;
const OTHER: &str = r#""string""#;

fn set(all: &mut Alone, name: Option<&str>, mode: Mode, is_forced: bool) -> Result<Mode, u32> {
    let decision = all.state.set_mode(&name.map(subject), mode, is_forced);
    all.done(decision).map_err(|refusal| refusal.code())
}

fn import(text: &str, id: u32, version: Option<u32>) -> Registration {
    Registration { id: Some(id), version, ..Registration::of(Definition::avro(text)) }
}

#[test]
fn nothing_changes_in_read_only_mode() {
    for mode in [Mode::ReadOnly, Mode::ReadOnlyOverride] {
        let mut all = Alone::default();
        all.id("s", ONE);
        set(&mut all, None, mode, false).unwrap();
        assert_eq!(all.id("s", ONE), 1, "what is there is still answered");
        assert_eq!(all.register("s", OTHER).unwrap_err().code(), 42205);
        assert_eq!(all.state.delete_subject(&subject("s"), false).unwrap_err().code(), 42205);
        assert_eq!(
            all.state
                .set_config(&None, Config { level: Some(Level::Full), normalize: None })
                .unwrap_err()
                .code(),
            42205
        );
        set(&mut all, Some("s"), Mode::ReadWrite, false).unwrap();
        assert_eq!(
            all.register("s", r#""long""#).is_ok(),
            mode == Mode::ReadOnly,
            "a subject's own mode goes first, unless overridden"
        );
    }
}

#[test]
fn an_import_brings_ids_and_versions_and_is_not_checked() {
    let mut all = Alone::default();
    assert_eq!(all.register_as("s", &import(ONE, 7, None)).unwrap_err().code(), 42205, "not in import mode");
    set(&mut all, Some("s"), Mode::Import, false).unwrap();
    assert_eq!(all.register("s", ONE).unwrap_err().code(), 42205, "no id is given");
    let seventh = all.register_as("s", &import(ONE, 7, Some(3))).unwrap();
    assert_eq!((seventh.id, seventh.version), (7, 3));
    let eighth = all.register_as("s", &import(OTHER, 8, None)).unwrap();
    assert_eq!((eighth.id, eighth.version), (8, 4));
    assert_eq!(
        all.register_as("s", &import(OTHER, 7, None)).unwrap_err().code(),
        42205,
        "an id stands for one schema"
    );
    set(&mut all, Some("s"), Mode::ReadWrite, false).unwrap();
    assert_eq!(all.id("t", r#""bytes""#), 9);
}

#[test]
fn an_import_wants_an_empty_place_unless_forced() {
    let mut all = Alone::default();
    all.id("s", ONE);
    assert_eq!(set(&mut all, None, Mode::Import, false), Err(42205));
    assert_eq!(set(&mut all, Some("t"), Mode::Import, false), Ok(Mode::Import));
    assert_eq!(set(&mut all, None, Mode::Import, true), Ok(Mode::Import));
    set(&mut all, None, Mode::ReadWrite, false).unwrap();
    let decision = all.state.delete_subject(&subject("s"), false);
    all.done(decision).unwrap();
    assert_eq!(set(&mut all, None, Mode::Import, false), Ok(Mode::Import));
    assert_eq!(all.state.subjects(Filter::WithDeleted, "").count(), 0, "what was deleted softly is gone");
}

#[test]
fn settings_are_taken_back() {
    let mut all = Alone::default();
    let scope = Some(subject("s"));
    assert_eq!(all.state.delete_config(&scope).unwrap_err().code(), 40401);
    assert_eq!(all.state.delete_mode(&scope).unwrap_err().code(), 40401);
    let decision = all.state.set_config(&scope, Config { level: Some(Level::Full), normalize: None });
    all.done(decision).unwrap();
    let decision = all.state.set_config(&scope, Config { level: None, normalize: Some(true) });
    assert_eq!(all.done(decision).unwrap().level, Some(Level::Full), "what is not said stays");
    let decision = all.state.delete_config(&scope);
    assert_eq!(all.done(decision).unwrap().normalize, Some(true));
    assert_eq!(all.state.effective_config(&scope).level, Some(Level::Backward));
    set(&mut all, Some("s"), Mode::ReadOnly, false).unwrap();
    let decision = all.state.delete_mode(&scope);
    assert_eq!(all.done(decision).unwrap(), Mode::ReadOnly);
    assert_eq!(all.state.effective_mode(&scope), Mode::ReadWrite);
}
