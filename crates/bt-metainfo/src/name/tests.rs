use proptest::prelude::*;

use super::*;

fn check(name: impl AsRef<[u8]>, expected: &str) {
    let mut out = "before/".to_owned();
    sanitise(name.as_ref(), &mut out);
    let shown = name.as_ref().escape_ascii().to_string();
    assert_eq!(&out["before/".len()..], expected, "{shown}");
}

#[test]
fn plain_names_stay_as_they_are() {
    for name in [
        "a",
        "Some File (2024) [1080p].mkv",
        ".hidden",
        "..hidden",
        "abc....def",
        "日本語.txt",
        "naïve café",
        " leading space",
        "a'b`c~d!e@f#g$h%i^j&k+l=m{n},o;p",
        "console.log",
        "com10",
        "COM",
        "lpt",
        "nulls",
        "contents",
    ] {
        check(name, name);
    }
}

#[test]
fn names_that_mean_other_places_become_plain() {
    for name in [
        "", ".", "..", "...", " ", ". .", "/", "\\", "//", "../..", "..\\",
    ] {
        check(name, "_");
    }
    check("/etc/passwd", "etcpasswd");
    check("..\\..\\evil.exe", "....evil.exe");
    check("C:\\evil.exe", "C_evil.exe");
    check("C:", "C_");
    check("abc/../def", "abc..def");
    check("file:stream", "file_stream");
}

#[test]
fn control_characters_and_what_windows_refuses_become_underscores() {
    check("a?b<c>d\"e|f*g:h", "a_b_c_d_e_f_g_h");
    check("nul\0byte", "nul_byte");
    check("Icon\r", "Icon_");
    check("\x1b[31mred\x7f\u{85}", "_[31mred__");
}

#[test]
fn what_is_invisible_or_turns_the_direction_is_dropped() {
    check("exe.\u{202e}gpj", "exe.gpj");
    check("a\u{200b}b\u{feff}c\u{2066}d\u{61c}e\u{2064}f", "abcdef");
    check("\u{200f}", "_");
    // A mark between a dot and the end does not shield the dot.
    check("name.\u{200b}", "name");
}

#[test]
fn invalid_utf8_becomes_underscores() {
    check(b"\xffabc\xc3", "_abc_");
    check(b"\xc0\xae\xc0\xae", "____"); // an overlong ".."
    check(b"\xed\xa0\x80", "___"); // half a surrogate pair
    check(b"caf\xe9.txt", "caf_.txt");
}

#[test]
fn dots_and_spaces_at_the_end_are_cut() {
    check("name.", "name");
    check("name. . ", "name");
    check("name.txt ", "name.txt");
}

#[test]
fn devices_of_windows_get_an_underscore_in_front() {
    for name in [
        "con",
        "CON",
        "Nul",
        "aux.txt",
        "prn.a.b",
        "com1",
        "COM9.log",
        "lpt0",
        "LPT1",
        "com¹",
        "CONIN$",
        "conout$.txt",
        "nul .txt",
    ] {
        check(name, &format!("_{name}"));
    }
    check("con.", "_con");
    check("con:", "con_");
}

#[test]
fn long_names_keep_their_extension() {
    let long = "x".repeat(300);
    check(&long, &"x".repeat(240));
    check(format!("{long}.tar.gz"), &format!("{}.gz", "x".repeat(237)));
    // Characters of three bytes are not cut apart: 236 is not a multiple of 3, 234 is.
    check(
        format!("{}.mkv", "語".repeat(100)),
        &format!("{}.mkv", "語".repeat(78)),
    );
    // What looks like a long extension is none.
    check(format!("a.{long}"), &format!("a.{}", "x".repeat(238)));
    // The cut ends within dots.
    check(
        format!("{}{}{}", "x".repeat(200), ".".repeat(100), "y".repeat(40)),
        &"x".repeat(200),
    );
}

#[test]
fn folders_beyond_the_bound_are_left_out_and_room_for_the_file_remains() {
    let mut path = "root".to_owned();
    for _ in 0..1000 {
        push_folder(&mut path, b"folder");
    }
    assert!(path.len() <= MAX_FOLDERS_LENGTH && path.len() > MAX_FOLDERS_LENGTH - 10);
    push_file(&mut path, &[b'x'; 300]);
    assert!(path.ends_with(&"x".repeat(240)) && path.len() <= 1001);
}

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        "\\PC{0,300}".prop_map(String::into_bytes),
        "[. /\\\\:a-c\u{202e}\u{200b}\u{0}é]{0,12}".prop_map(String::into_bytes),
        "(?i)(con|nul|com[0-9]|lpt1)[. a:]{0,4}".prop_map(String::into_bytes),
    ]
}

proptest! {
    /// The promises of the front page, for anything; and once is enough.
    #[test]
    fn every_name_becomes_safe(name in any_name()) {
        let mut safe = String::new();
        sanitise(&name, &mut safe);
        prop_assert!((1..=MAX_NAME_LENGTH).contains(&safe.len()));
        prop_assert!(!safe.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|']));
        prop_assert!(!safe.contains(char::is_control));
        prop_assert!(!safe.ends_with(['.', ' ']));
        prop_assert!(!is_reserved(&safe));
        let mut again = String::new();
        sanitise(safe.as_bytes(), &mut again);
        prop_assert_eq!(again, safe);
    }
}
