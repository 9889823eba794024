//! How options are spelled: attached, clustered, abbreviated, repeated. Told by rows, and by the original: getopt_long(3)
//! of the C library, which is asked here with nsenter's own tables.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Mutex, PoisonError};

use cnsenter::cli::options::{OPTIONS, Value};

use super::{cnsenter, nsenter};

/// nsenter's long options, in its order: the name, whether a value is none, required or optional, and the letter.
pub(super) const NSENTER: &[(&CStr, c_int, char)] = &[
    (c"all", NONE, 'a'),
    (c"help", NONE, 'h'),
    (c"version", NONE, 'V'),
    (c"target", REQUIRED, 't'),
    (c"mount", OPTIONAL, 'm'),
    (c"uts", OPTIONAL, 'u'),
    (c"ipc", OPTIONAL, 'i'),
    (c"net", OPTIONAL, 'n'),
    (c"net-socket", REQUIRED, 'N'),
    (c"pid", OPTIONAL, 'p'),
    (c"user", OPTIONAL, 'U'),
    (c"cgroup", OPTIONAL, 'C'),
    (c"time", OPTIONAL, 'T'),
    (c"setuid", REQUIRED, 'S'),
    (c"setgid", REQUIRED, 'G'),
    (c"root", OPTIONAL, 'r'),
    (c"wd", OPTIONAL, 'w'),
    (c"wdns", OPTIONAL, 'W'),
    (c"env", NONE, 'e'),
    (c"no-fork", NONE, 'F'),
    (c"join-cgroup", NONE, 'c'),
    // These have no letter in nsenter, and here one that is no option.
    (c"preserve-credentials", NONE, '1'),
    (c"keep-caps", NONE, '2'),
    (c"user-parent", NONE, '3'),
    (c"follow-context", NONE, 'Z'),
];

const LETTERS: &CStr = c"+ahVt:m::u::i::n::N:p::C::U::T::S:G:r::w::W::ecFZ";

const NONE: c_int = 0;
const REQUIRED: c_int = 1;
const OPTIONAL: c_int = 2;

/// `struct option` of getopt.h.
#[repr(C)]
struct LongOption {
    name: *const c_char,
    has_arg: c_int,
    flag: *mut c_int,
    val: c_int,
}

// SAFETY: declared as in getopt.h and unistd.h.
unsafe extern "C" {
    static mut optind: c_int;
    static mut opterr: c_int;
    static mut optarg: *const c_char;
    fn getopt_long(
        argc: c_int,
        argv: *const *const c_char,
        letters: *const c_char,
        longs: *const LongOption,
        index: *mut c_int,
    ) -> c_int;
}

/// What the C library finds: names and values of the options, and the rest. `None` where nsenter would say that it does
/// not understand.
pub(super) fn original(words: &[OsString]) -> Option<Vec<OsString>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let long = |&(name, has_arg, letter): &(&CStr, c_int, char)| LongOption {
        name: name.as_ptr(),
        has_arg,
        flag: std::ptr::null_mut(),
        val: c_int::try_from(u32::from(letter)).unwrap(),
    };
    let mut longs: Vec<_> = NSENTER.iter().map(long).collect();
    longs.push(LongOption { name: std::ptr::null(), has_arg: 0, flag: std::ptr::null_mut(), val: 0 });
    let argv: Vec<_> = std::iter::once(OsStr::new("nsenter"))
        .chain(words.iter().map(OsString::as_os_str))
        .map(|word| CString::new(word.as_bytes()).unwrap())
        .collect();
    let mut pointers: Vec<_> = argv.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let count = c_int::try_from(argv.len()).unwrap();
    let mut plain = Vec::new();
    // SAFETY: the lock makes this the only user of the C library's variables; 0 begins anew.
    unsafe {
        optind = 0;
        opterr = 0;
    }
    loop {
        // SAFETY: both tables and the words end in null, and live until the end of this function.
        let found =
            unsafe { getopt_long(count, pointers.as_ptr(), LETTERS.as_ptr(), longs.as_ptr(), std::ptr::null_mut()) };
        if found == -1 {
            break;
        }
        let (name, ..) = NSENTER.iter().find(|(.., letter)| u32::from(*letter) == found.cast_unsigned())?;
        // SAFETY: null, or a part of one of the words.
        let value = unsafe { optarg.as_ref().map(|value| CStr::from_ptr(value)) };
        let mut word = [b"--", name.to_bytes()].concat();
        if let Some(value) = value.map(CStr::to_bytes) {
            // nsenter takes `-n=FILE` for `-nFILE`.
            word.extend([b"=", value.strip_prefix(b"=").unwrap_or(value)].concat());
        }
        plain.push(OsString::from_vec(word));
    }
    plain.push("--".into());
    // SAFETY: as above.
    let rest = usize::try_from(unsafe { optind }).unwrap() - 1;
    plain.extend(words[rest..].iter().cloned());
    Some(plain)
}

#[test]
fn the_original_is_asked_rightly() {
    let plain = |line| {
        let words = original(&super::split(line))?;
        Some(words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(plain("-nt1 x -n").as_deref(), Some("--net=t1 -- x -n"));
    assert_eq!(plain("-at 1 --keep -- -x").as_deref(), Some("--all --target=1 --keep-caps -- -x"));
    assert_eq!(plain("-n=/f").as_deref(), Some("--net=/f --"));
    assert_eq!(plain("--ne"), None);
    assert_eq!(plain("-v"), None);
}

#[test]
fn our_table_has_all_of_nsenters_options_and_says_so() {
    let ours = OPTIONS.iter().filter(|option| option.of_nsenter).map(|option| {
        let value = match option.value {
            Value::None => NONE,
            Value::Required(_) => REQUIRED,
            Value::Optional(_) => OPTIONAL,
        };
        (option.long.to_owned(), value, option.short)
    });
    let theirs = NSENTER.iter().map(|(name, value, letter)| {
        let letter = Some(*letter).filter(|letter| !letter.is_ascii_digit());
        (name.to_str().unwrap().to_owned(), *value, letter)
    });
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) = (ours.collect(), theirs.collect());
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn values_are_attached_or_follow() {
    let rows = [
        ("-t1 -n", "pid 1, net"),
        ("-t 1 -n", "pid 1, net"),
        ("--target=1 -n", "pid 1, net"),
        ("--target 1 -n", "pid 1, net"),
        ("-t 1 -n -S5 -G=6", "pid 1, net, setuid 5, setgid 6"),
        ("-t 1 -n --setuid 5 --setgid=6", "pid 1, net, setuid 5, setgid 6"),
        ("-N3 -t1", "pid 1, net-socket 3"),
        ("-n/f", "net=/f"),
        ("-n=/f", "net=/f"),
        ("--net=/f", "net=/f"),
        ("--net=a=b", "net=a=b"),
        ("-n/f -r/d -w/e", "net=/f, root=/d, wd=/e"),
        ("-n/f -w=/e", "net=/f, wd=/e"),
        ("-n/f -W/e", "net=/f, wdns=/e"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
    cnsenter(&[
        ("-Hunix:///s x", "container x, host unix:///s"),
        ("-H unix:///s x", "container x, host unix:///s"),
        ("--host=unix:///s x", "container x, host unix:///s"),
        ("--context=c x", "container x, context c"),
        ("--context c x", "container x, context c"),
        ("--timeout=5s x", "container x, timeout 5s"),
    ]);
}

#[test]
fn an_optional_value_is_never_the_next_word() {
    nsenter(&[
        ("-t 1 -n /f", "pid 1, net -> /f"),
        ("-t 1 --net /f", "pid 1, net -> /f"),
        ("-t 1 -n -r /d", "pid 1, net, root -> /d"),
        ("-t 1 -n -w /d", "pid 1, net, wd -> /d"),
        ("-t 1 -n -W /d", "pid 1, net -> /d"),
    ]);
}

#[test]
fn letters_are_clustered_up_to_one_that_takes_a_value() {
    let rows = [
        ("-at 1", "pid 1, all"),
        ("-at1", "pid 1, all"),
        ("-aFeZct1", "pid 1, all, env, no-fork, join-cgroup, follow-context"),
        ("-an/f -t1", "pid 1, net=/f, all"),
        ("-mt 1", "mount=t -> 1"),
        ("-muinpt 1", "mount=uinpt -> 1"),
        ("-aS5 -t1", "pid 1, setuid 5, all"),
        ("-aFn -t1", "pid 1, net, all, no-fork"),
        ("-n-", "net=-"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
    cnsenter(&[("-va x", "container x, all, verbose"), ("-aHs x", "container x, host s, all")]);
}

#[test]
fn a_required_value_may_look_like_an_option() {
    cnsenter(&[
        ("-H -n x", "container x, host -n"),
        ("--context -- x", "container x, context --"),
        ("--context '' x", "container x, context "),
    ]);
    let rows = [
        ("-n -t", "error: option -t needs a value"),
        ("-n --target", "error: option --target needs a value"),
        ("-N", "error: option -N needs a value"),
        ("-S", "error: option -S needs a value"),
        ("--setgid", "error: option --setgid needs a value"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
    cnsenter(&[
        ("-H", "error: option -H needs a value"),
        ("--context", "error: option --context needs a value"),
        ("--timeout", "error: option --timeout needs a value"),
    ]);
}

#[test]
fn a_value_where_none_is_taken_is_refused() {
    let rows = [
        ("--all=x -t 1", "error: option --all takes no value, but \"x\" is attached to it"),
        ("--env= -t 1 -n", "error: option --env takes no value, but \"\" is attached to it"),
        ("-a=x -t 1", "error: option -a takes no value, but \"x\" is attached to it"),
        ("-n/f --no-fork=1", "error: option --no-fork takes no value, but \"1\" is attached to it"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
    cnsenter(&[
        ("--sandbox=nginx ss", "error: option --sandbox takes no value, but \"nginx\" is attached to it"),
        ("--raw=1 x", "error: option --raw takes no value, but \"1\" is attached to it"),
        ("--print=x", "error: option --print takes no value, but \"x\" is attached to it"),
    ]);
}

#[test]
fn parsing_stops_at_the_first_word_and_at_two_dashes() {
    let rows = [
        ("-t 1 -n sh -a", "pid 1, net -> sh -a"),
        ("-t 1 -n - -a", "pid 1, net -> - -a"),
        ("-t 1 -n '' -a", "pid 1, net -> '' -a"),
        ("-t 1 -n -- -a", "pid 1, net -> -a"),
        ("-t 1 -n --", "pid 1, net"),
        ("-n/f -t -- sh", "error: \"--\" is not a pid"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
}

#[test]
fn of_repeated_options_the_last_value_counts() {
    let rows = [
        ("-n/a -n/b", "net=/b"),
        ("-t 1 -n/a -n", "pid 1, net=/a"),
        ("-t 1 -n -n/a", "pid 1, net=/a"),
        ("-t 1 -n -n -n", "pid 1, net"),
        ("-t 1 -a -a -F -F", "pid 1, all, no-fork"),
        ("-n/f -S 1 -S 2 -G 3 -G 4", "net=/f, setuid 2, setgid 4"),
        ("-n/f -r/a -r/b -w/c -w/d", "net=/f, root=/b, wd=/d"),
        ("-n/f -W/a -W/b", "net=/f, wdns=/b"),
        ("-t 1 -N 3 -N 4", "pid 1, net-socket 4"),
        // nsenter goes by the target once an option without a value has said so.
        ("-t 1 -n -r/a -r", "pid 1, net, root"),
        ("-t 1 -n -r -r/a", "pid 1, net, root"),
        ("-t 1 -n -w/a -w", "pid 1, net, wd"),
        ("-t 1 -n -w -w/a", "pid 1, net, wd"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
    cnsenter(&[("-H a -H b x", "container x, host b"), ("--context a --context b x", "container x, context b")]);
}

#[test]
fn help_and_version_end_the_parsing() {
    let rows = [
        ("-h", "help"),
        ("--help", "long help"),
        ("-V", "version"),
        ("--version", "version"),
        ("-n -h --bogus", "help, net"),
        ("-aV -x", "version, all"),
        ("-t 1 --help -t 2", "long help, pid 1"),
    ];
    cnsenter(&rows);
    nsenter(&rows);
    cnsenter(&[
        ("--bogus --help", "error: unknown option --bogus"),
        ("x --help", "error: option --help stands after the target"),
    ]);
}
