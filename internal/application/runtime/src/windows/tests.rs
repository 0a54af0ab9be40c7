use super::*;

#[test]
fn a_moment_is_in_the_windows_that_begin_no_later_and_end_after_it() {
    for (size, advance) in [(10, 10), (10, 5), (10, 3), (3, 10), (1, 1)] {
        let table = WindowTable::hopping((), Duration::from_millis(size), Duration::from_millis(advance));
        let (size, advance) = (i64::try_from(size).unwrap(), i64::try_from(advance).unwrap());
        for time in -40..40_i64 {
            let starts = (-100..100).filter(|start| start % advance == 0);
            let expected: Vec<_> = starts.filter(|start| (*start..start + size).contains(&time)).collect();
            let windows: Vec<_> = table.windows_at(Timestamp(time)).collect();
            assert!(windows.iter().all(|window| window.end.0 - window.start.0 == size));
            let windows: Vec<_> = windows.into_iter().map(|window| window.start.0).collect();
            assert_eq!(windows, expected, "{time} in windows of {size} every {advance}");
        }
    }
}

#[test]
fn entries_say_which_key_and_window_they_are_of() {
    let (windows, sessions) = (
        WindowTable::tumbling((), Duration::from_millis(10)),
        SessionTable::new((), Duration::from_millis(5)),
    );
    let window = Window { start: Timestamp(-10), end: Timestamp(0) };
    for key in [&b""[..], b"k", b"\0", b"a\0b\xff"] {
        let entry = windows.entry_key(key, window);
        assert_eq!(windows.read_key(&entry), Some((key.to_vec(), window)));
        assert_eq!(sessions.read_key(&sessions.entry_key(key, window)), Some((key.to_vec(), window)));
    }
    assert_eq!(windows.read_key(b"plain"), None);
}
