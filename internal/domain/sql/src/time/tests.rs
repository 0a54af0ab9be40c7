use super::*;

#[test]
fn moments_are_written_and_read_without_a_pattern() {
    assert_eq!(moment_text(0), "1970-01-01T00:00:00.000");
    assert_eq!(moment_text(-1), "1969-12-31T23:59:59.999");
    assert_eq!((date_text(-1), time_text(45_296_789)), ("1969-12-31".to_owned(), "12:34:56".to_owned()));
    assert_eq!(time_text(45_240_000), "12:34");
    for (text, expected) in [
        ("1970", Some(0)),
        ("1970-02", Some(31 * DAY_MS)),
        ("1970-01-02", Some(DAY_MS)),
        ("1970-01-01T01", Some(3_600_000)),
        ("1970-01-01T00:00:01.5", Some(1_500)),
        ("1970-01-01T02:00:00.000+0200", Some(0)),
        ("1970-01-01T00:00Z", Some(0)),
        ("1970-01-01T00:00:00-01:00", Some(3_600_000)),
        ("1970-13-01", None),
        ("x", None),
        ("1970-01-01T25", None),
    ] {
        assert_eq!(moment_of(text), expected, "{text}");
    }
    for (text, expected) in
        [("1970-01-11", Some(10)), ("1970", Some(0)), ("1970-1-1", None), ("1970-02-30", None)]
    {
        assert_eq!(date_of(text), expected, "{text}");
    }
    for (text, expected) in
        [("00:01", Some(60_000)), ("00:00:01.25", Some(1_250)), ("24:00", None), ("1:00", None), ("12", None)]
    {
        assert_eq!(time_of(text), expected, "{text}");
    }
}

#[test]
fn patterns_write_every_kind_of_letter() {
    // Thursday, 2021-03-04, 17:05:09.123 in Berlin.
    let moment = 1_614_873_909_123;
    for (pattern, expected) in [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2021-03-04T17:05:09.123+01"),
        ("yy M d H m s", "21 3 4 17 5 9"),
        ("EEEE, d MMMM yyyy 'at' h:mm a", "Thursday, 4 March 2021 at 5:05 PM"),
        ("EEE MMM G Q QQQ", "Thu Mar AD 1 Q1"),
        ("xxx XXX Z ZZZZZ O VV z", "+01:00 +01:00 +0100 +01:00 GMT+1 Europe/Berlin CET"),
        ("K k A SSSSSS D", "5 17 61509123 123000 63"),
        ("''o''clock''", "'o'clock'"),
        ("e w YYYY", "5 10 2021"),
    ] {
        let written = TimePattern::new(&pattern.replace("''o''clock''", "'''o''''clock'''"))
            .unwrap()
            .of_moment(moment, &Zone::named("Europe/Berlin").unwrap());
        let expected = expected.replace("'o'clock'", "'o''clock'");
        assert_eq!(written.as_deref(), Ok(expected.as_str()), "{pattern}");
    }
    assert!(TimePattern::new("yyyy").unwrap().of_time(0).is_err());
    assert!(TimePattern::new("HH").unwrap().of_day(0).is_err());
    assert!(TimePattern::new("yyyy-bb").is_err());
}

#[test]
fn patterns_read_what_they_write_and_more() {
    let zone = Zone::named("America/Los_Angeles").unwrap();
    for (pattern, text, expected) in [
        ("yyyy-MM-dd HH:mm:ss", "1970-01-02 00:00:01", Some(DAY_MS + 8 * 3_600_000 + 1000)),
        ("yyyyMMddHHmmssSSS", "19700101000000123", Some(8 * 3_600_000 + 123)),
        ("yyyy-MM-dd'T'HH:mm:ssX", "1970-01-01T00:00:00Z", Some(0)),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "1970-01-01T02:00:00+02:00", Some(0)),
        ("yyyy-MM-dd'T'HH:mm:ss[.SSS]", "1970-01-01T00:00:00", Some(8 * 3_600_000)),
        ("d MMM yyyy h:mm a VV", "1 jan 1970 1:00 am Europe/London", Some(0)),
        ("D yyyy", "2 1970", Some(DAY_MS + 8 * 3_600_000)),
        ("yyyy-MM-dd", "1970-01-1", None),
        ("yyyy-MM-dd", "1970-01-01 ", None),
        ("yyyy-MM-dd HH", "1970-01-01 24", None),
        // A day that the month has not is its last.
        ("yyyy-MM-dd", "1970-02-30", Some(58 * DAY_MS + 8 * 3_600_000)),
    ] {
        assert_eq!(
            TimePattern::new(pattern).unwrap().moment(text, &zone).ok(),
            expected,
            "{pattern}: {text}"
        );
    }
}
