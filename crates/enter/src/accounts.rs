//! The users and groups of a container, read from its own passwd(5) and group(5) without NSS, as the engines read them.
//! What is done with the numbers does not belong here.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::error::Failure;
use crate::{Error, inside};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// A file of accounts larger than this, in bytes, is not one.
const LARGEST: u64 = 1 << 20;
/// The engines take no number above this one.
const LARGEST_ID: u32 = i32::MAX.cast_unsigned();
/// The home of whoever has none in passwd(5).
const NO_HOME: &str = "/";

/// User and groups of a program, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Ids {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// The accounts of a root folder.
#[derive(Debug)]
pub(crate) struct Accounts<'a> {
    root: BorrowedFd<'a>,
    passwd: io::Result<Vec<u8>>,
}

/// A line of passwd(5).
#[derive(Debug)]
struct User<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: Option<&'a [u8]>,
    shell: Option<&'a [u8]>,
}

impl<'a> Accounts<'a> {
    /// Reads them beneath `root`. What cannot be read is an error once it is needed.
    pub(crate) fn read(root: BorrowedFd<'a>) -> Self {
        Self { root, passwd: inside::read(root, Path::new(PASSWD), LARGEST) }
    }

    /// `USER[:GROUP]`, each a name or a number, as `docker exec --user` takes it: what reads as a number is one, even where
    /// an account is named so; a number that no line has is taken as it is, with group 0; without a GROUP the user is in
    /// the groups that name it; and in `added` and its own group always.
    pub(crate) fn look_up(&self, text: &OsStr, added: &[OsString]) -> Result<Ids, Error> {
        let mut words = text.as_bytes().split(|byte| *byte == b':');
        let (user, group) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = if user.is_empty() { Some(0) } else { number(user)? };
        let found = self.user(|line| number.map_or(line.name == user, |uid| line.uid == uid));
        let uid = match (&found, number) {
            (Some(line), _) => line.uid,
            (None, Some(uid)) => uid,
            (None, None) => return Err(missing("user", user, PASSWD, self.passwd.as_ref().err())),
        };
        let name = found.as_ref().map_or(&b""[..], |line| line.name);
        let (gid, mut groups) = match group {
            [] => (found.as_ref().map_or(0, |line| line.gid), self.groups_of(name)?),
            group => (self.group(group)?, Vec::new()),
        };
        groups.insert(0, gid);
        for group in added {
            groups.push(self.group(group.as_bytes())?);
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Ids { uid, gid, groups })
    }

    /// The home folder of a user, as the engines set `HOME`: what passwd(5) says, be it empty, and `/` for whoever is not
    /// in it.
    pub(crate) fn home_of(&self, uid: u32) -> OsString {
        let home = self.user(|line| line.uid == uid).map(|line| line.home.unwrap_or_default().to_vec());
        home.map_or_else(|| NO_HOME.into(), OsString::from_vec)
    }

    /// The name of a user.
    pub(crate) fn name_of(&self, uid: u32) -> Option<String> {
        Some(String::from_utf8_lossy(self.user(|line| line.uid == uid)?.name).into_owned())
    }

    /// The login shell of a user.
    pub(crate) fn shell_of(&self, uid: u32) -> Option<Vec<u8>> {
        let shell = self.user(|line| line.uid == uid)?.shell?;
        shell.starts_with(b"/").then(|| shell.to_vec())
    }

    fn user(&self, wanted: impl Fn(&User<'_>) -> bool) -> Option<User<'_>> {
        lines(self.passwd.as_ref().ok()?).filter_map(user).find(wanted)
    }

    /// The number of a group.
    fn group(&self, group: &[u8]) -> Result<u32, Error> {
        if let Some(gid) = number(group)? {
            return Ok(gid);
        }
        let text = inside::read(self.root, Path::new(GROUP), LARGEST);
        let mut all = text.iter().flat_map(|text| lines(text)).filter_map(group_line);
        match all.find(|(name, ..)| *name == group) {
            Some((_, gid, _)) => Ok(gid),
            None => Err(missing("group", group, GROUP, text.as_ref().err())),
        }
    }

    /// The groups that have this user among their members. Without the file there are none; one that cannot be read
    /// might have taken something away.
    fn groups_of(&self, name: &[u8]) -> Result<Vec<u32>, Error> {
        if name.is_empty() {
            return Ok(Vec::new());
        }
        let text = match inside::read(self.root, Path::new(GROUP), LARGEST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::InContainer { path: GROUP.into(), errno: Failure::from(error).0 }),
        };
        let member = |members: &[u8]| members.split(|byte| *byte == b',').any(|member| member == name);
        let found = lines(&text).filter_map(group_line).filter(|(_, _, members)| member(members));
        Ok(found.map(|(_, gid, _)| gid).collect())
    }
}

/// Nothing where it does not read as a number.
fn number(text: &[u8]) -> Result<Option<u32>, Error> {
    let Some(number) = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()) else {
        return Ok(None);
    };
    match u32::try_from(number) {
        Ok(number) if number <= LARGEST_ID => Ok(Some(number)),
        _ => Err(Error::IdOutOfRange(number)),
    }
}

fn missing(kind: &'static str, name: &[u8], path: &'static str, unread: Option<&io::Error>) -> Error {
    match unread.filter(|error| error.kind() != io::ErrorKind::NotFound) {
        Some(error) => Error::InContainer { path: path.into(), errno: Failure::from(error).0 },
        None => Error::NoAccount { kind, name: OsStr::from_bytes(name).to_owned(), path },
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

/// Of an account's line. The engines take what is no number for 0, and so for root's: here there is no such line.
fn id(field: &[u8]) -> Option<u32> {
    number(field).ok().flatten()
}

fn user(line: &[u8]) -> Option<User<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let (_, home, shell) = (fields.next(), fields.next(), fields.next());
    Some(User { name, uid: id(uid)?, gid: id(gid)?, home, shell })
}

/// Name, number and members.
fn group_line(line: &[u8]) -> Option<(&[u8], u32, &[u8])> {
    let mut fields = line.split(|byte| *byte == b':');
    let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
    Some((name, id(gid)?, fields.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::{Mode, OFlags};

    use super::*;

    const USERS: &[u8] = b"root:x:0:0:root:/root:/bin/zsh\n# comment\nbad\n\n::::::\n1337:x:2000:2001:n:/num:/bin/sh\n\
        app:x:1000:1000:the application:/home/app:/usr/sbin/nologin\nshort:x:77\nletters:x:abc:91::/:/bin/sh\n\
        negative:x:-5:5::/:\nhuge:x:3000000000:1::/:\n  spaced:x:88:89::/sp:/bin/sh \r\n:x:60:61::/nameless:/bin/sh\n\
        \xff\xfe:x:62:63::\xff:/bin/sh\nnul\0:x:64:65::/:\0\nnohome:x:94:94\napp:x:9:9::/second:/bin/sh\nlast:x:95:96:::";
    const GROUPS: &[u8] = b"root:x:0:\nadm:x:4:app,1337,x\n  sp:x:56: app\n66:x:67:app\ntwice:x:4:app\nbad:x:zz:app\n\
        own:x:1000:app\nnobody:x:-7:app\nempty:x:70:,\nshort:x:71\nlast:x:72:z,app";

    /// A root folder that is gone in the end.
    struct Root(std::path::PathBuf, OwnedFd);

    impl Root {
        fn new(name: &str, passwd: Option<&[u8]>, group: Option<&[u8]>) -> Self {
            let path = std::env::temp_dir().join(format!("cnsenter-accounts-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("etc")).unwrap();
            for (file, text) in [(PASSWD, passwd), (GROUP, group)] {
                if let Some(text) = text {
                    fs::write(path.join(&file[1..]), text).unwrap();
                }
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
            Self(path, root)
        }

        fn look_up(&self, text: &str, added: &[&str]) -> Result<(u32, u32, Vec<u32>), String> {
            let added: Vec<_> = added.iter().map(OsString::from).collect();
            let found = Accounts::read(self.1.as_fd()).look_up(OsStr::new(text), &added);
            found.map(|ids| (ids.uid, ids.gid, ids.groups)).map_err(|error| error.to_string())
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn words_mean_what_docker_takes_them_for() {
        let root = Root::new("words", Some(USERS), Some(GROUPS));
        for (text, uid, gid, groups) in [
            ("root", 0, 0, &[0][..]),
            ("app", 1000, 1000, &[4, 67, 72, 1000]),
            ("1000", 1000, 1000, &[4, 67, 72, 1000]),
            ("01000", 1000, 1000, &[4, 67, 72, 1000]),
            ("app:", 1000, 1000, &[4, 67, 72, 1000]),
            // A number is one, even where it is the name of another user or group.
            ("1337", 1337, 0, &[0]),
            ("2000", 2000, 2001, &[4, 2001]),
            ("app:66", 1000, 66, &[66]),
            ("app:adm", 1000, 4, &[4]),
            ("app:adm:junk", 1000, 4, &[4]),
            ("app:9999", 1000, 9999, &[9999]),
            ("12345", 12345, 0, &[0]),
            ("12345:adm", 12345, 4, &[4]),
            ("spaced", 88, 89, &[89]),
            ("60", 60, 61, &[61]),
            ("nohome", 94, 94, &[94]),
            ("last:last", 95, 72, &[72]),
            ("app:sp", 1000, 56, &[56]),
            ("app:short", 1000, 71, &[71]),
            ("+92", 92, 0, &[0]),
            // A line that is none is none of root's.
            ("77", 77, 0, &[0]),
            (":adm", 0, 4, &[4]),
            ("", 0, 0, &[0]),
            ("2147483647", 2_147_483_647, 0, &[0]),
        ] {
            assert_eq!(root.look_up(text, &[]), Ok((uid, gid, groups.to_vec())), "{text:?}");
        }
        assert_eq!(root.look_up("app", &["4", "4242", "adm"]), Ok((1000, 1000, vec![4, 67, 72, 1000, 4242])));
        assert_eq!(root.look_up("app:adm", &["55", "adm", "sp"]), Ok((1000, 4, vec![4, 55, 56])));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let root = Root::new("missing", Some(USERS), Some(GROUPS));
        for name in ["nope", "bad", "# comment", "letters", "negative", "huge", "short", "99999999999999999999"] {
            let expected = format!("no user {name} in the container's /etc/passwd");
            assert_eq!(root.look_up(name, &[]), Err(expected));
        }
        for name in ["nope", "bad", "nobody"] {
            assert_eq!(
                root.look_up(&format!("app:{name}"), &[]),
                Err(format!("no group {name} in the container's /etc/group"))
            );
        }
        assert_eq!(root.look_up("app", &["nope"]), Err("no group nope in the container's /etc/group".into()));
        for number in ["-5", "3000000000"] {
            let expected = Err(format!("{number} is no user or group: they go from 0 to 2147483647"));
            assert_eq!(root.look_up(number, &[]), expected);
            assert_eq!(root.look_up(&format!("app:{number}"), &[]), expected);
        }
    }

    #[test]
    fn a_number_needs_no_files_and_a_name_does() {
        let none = Root::new("none", None, None);
        assert_eq!(none.look_up("1000", &["7"]), Ok((1000, 0, vec![0, 7])));
        assert_eq!(none.look_up("1000:1000", &[]), Ok((1000, 1000, vec![1000])));
        assert_eq!(none.look_up("app", &[]), Err("no user app in the container's /etc/passwd".into()));
        assert_eq!(none.look_up("1:app", &[]), Err("no group app in the container's /etc/group".into()));
        assert_eq!(Accounts::read(none.1.as_fd()).home_of(0), "/");

        let large = vec![b'\n'; LARGEST as usize + 1];
        let too_large = Root::new("large", Some(&large), Some(&large));
        assert_eq!(too_large.look_up("1000", &[]), Ok((1000, 0, vec![0])));
        let error = "cannot read /etc/passwd of the container: it is too large";
        assert_eq!(too_large.look_up("app", &[]), Err(error.into()));

        let folder = Root::new("folder", Some(USERS), None);
        fs::create_dir(folder.0.join("etc/group")).unwrap();
        let error = "cannot read /etc/group of the container: it is no regular file";
        assert_eq!(folder.look_up("app", &[]), Err(error.into()));
        assert_eq!(folder.look_up("app:5", &[]), Ok((1000, 5, vec![5])));
    }

    #[test]
    fn home_and_shell_are_those_of_the_first_line() {
        let root = Root::new("home", Some(USERS), None);
        let accounts = Accounts::read(root.1.as_fd());
        for (uid, home, shell) in [
            (0, &b"/root"[..], Some(&b"/bin/zsh"[..])),
            (1000, b"/home/app", Some(b"/usr/sbin/nologin")),
            (9, b"/second", Some(b"/bin/sh")),
            (62, b"\xff", Some(b"/bin/sh")),
            (88, b"/sp", Some(b"/bin/sh")),
            (94, b"", None),
            (95, b"", None),
            (4242, b"/", None),
        ] {
            assert_eq!(accounts.home_of(uid).as_bytes(), home, "{uid}");
            assert_eq!(accounts.shell_of(uid).as_deref(), shell, "{uid}");
        }
    }
}
