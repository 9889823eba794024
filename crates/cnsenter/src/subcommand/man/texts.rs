//! What was written for the manual by hand. What clap knows of a command line is not repeated here.

use super::Subcommand;
use crate::cli::help;

/// Terms, with what each is.
type Terms = &'static [(&'static str, &'static str)];

/// The sections that no program can make. A paragraph with an indented line stays as it is.
pub(super) struct Texts {
    pub(super) description: &'static [&'static str],
    pub(super) examples: Terms,
    pub(super) statuses: Terms,
    pub(super) environment: &'static [Terms],
    pub(super) files: Terms,
    pub(super) security: &'static [&'static str],
    pub(super) see_also: &'static str,
}

const STATUSES: Terms = &[
    ("0", "It was shown."),
    ("125", "The command line is wrong, or nothing could be found out. An engine that does not answer is no failure."),
];

const ENGINE_VARIABLES: Terms = &[
    ("DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG", "Which engine, as docker(1) has them."),
    ("CONTAINER_HOST", "The socket of podman's service."),
    ("XDG_RUNTIME_DIR, XDG_DATA_HOME, HOME", "Where the engines of an ordinary user keep their state."),
    ("NO_COLOR", "No colour."),
];

const ENGINE_FILES: Terms = &[
    ("/var/run/docker.sock", "Docker's engine, unless something else is said."),
    ("/run/docker/netns, /run/netns", "Network namespaces that engines and ip-netns(8) keep."),
    (
        "/run/docker, /run/containerd, /run/containers, /run/runc, /run/crun",
        "What runtimes keep of containers that run.",
    ),
    (
        "/var/lib/docker, /var/lib/containers, /var/lib/lxc",
        "What they keep of all. Both are read where no engine answers; --state-root adds folders.",
    ),
    ("~/.docker/config.json, ~/.docker/contexts", "The contexts of the Docker client."),
];

const SIGHT: &[&str] = &[
    "Names, labels, images, command lines and names of interfaces are a container's to choose. They are shown with their \
     control characters escaped, and nothing of them is evaluated. No program of a container is run. Its files are opened \
     beneath its root, regular files only, and read up to a bound.",
    "What ordinary users keep in their folders is not shown to root: who writes there would decide what root believes.",
];

const NOTHING: &[&str] = &["It asks nobody, opens nothing of a container and needs no privilege."];

pub(super) fn of(subcommand: Option<Subcommand>) -> Texts {
    let seeing = Texts {
        description: &[],
        examples: &[],
        statuses: STATUSES,
        environment: &[ENGINE_VARIABLES],
        files: ENGINE_FILES,
        security: SIGHT,
        see_also: "",
    };
    match subcommand {
        None => ENTERING,
        Some(Subcommand::Ls) => Texts {
            description: &[
                "Lists the containers of Docker, podman, containerd, CRI-O, runc, crun, LXC and nspawn in one table: name, \
                 ID, state, pid, image, addresses, the inode number of the network namespace, the host's end of its \
                 interface, and who shares a namespace with whom. An engine that hangs or is dead is done without: what is on \
                 disk is shown, and a note says who was not asked.",
            ],
            examples: &[
                ("cnsenter ls", "What runs."),
                ("cnsenter ls -a --filter status=exited --filter label=team=shop", "What ended, of one team."),
                ("cnsenter ls --tree", "Who shares namespaces with whom."),
                ("cnsenter ls --format '{{.name}} {{.pid}}'", "Some fields of each, for a script."),
                ("cnsenter ls --json", "All that is known, for a program."),
                ("cnsenter ls -H unix:///run/user/1000/docker.sock", "The containers of a rootless engine."),
            ],
            see_also: "cnsenter(1), cnsenter-inspect(1), cnsenter-who(1), docker-ps(1), lsns(8)",
            ..seeing
        },
        Some(Subcommand::Netns) => Texts {
            description: &[
                "Lists every network namespace of this host with its inode number, the file that keeps it, whose it is (a \
                 container, a swarm network, a name of ip-netns(8), the host) and its addresses. One that nobody \
                 uses and nobody knows is marked as leaked.",
            ],
            examples: &[
                ("cnsenter netns", "All of them."),
                ("cnsenter netns --json", "The same for a program."),
                ("cnsenter --sandbox ingress_sbox ip address", "Go where a line of the list leads."),
            ],
            see_also: "cnsenter(1), cnsenter-who(1), ip-netns(8), lsns(8), network_namespaces(7)",
            ..seeing
        },
        Some(Subcommand::Inspect) => Texts {
            description: &[
                "Shows what is known of a container on one screen: its process, state and namespaces; its interfaces with \
                 the host's ends of them and their bridges, addresses, routes, DNS, ports; its cgroup with limits and \
                 present use; its user, capabilities and seccomp; its root file system; and the lines that enter it.",
            ],
            examples: &[
                ("cnsenter inspect web", "One container."),
                ("cnsenter inspect docker://web pod/default/web-7d9f", "Several, of certain runtimes."),
                ("cnsenter inspect --json web", "The same for a program."),
            ],
            see_also: "cnsenter(1), cnsenter-ls(1), docker-inspect(1), lsns(8), ip-link(8), cgroups(7)",
            ..seeing
        },
        Some(Subcommand::Who) => Texts {
            description: &[
                "Says which container, or which process of the host's, something belongs to, and how that was found: a pid or \
                 thread, an interface, an IP or hardware address, a namespace as ps(1) and lsns(8) write it, a port, a \
                 cgroup, a folder of a root file system, the beginning of an ID. Several are answered at once.",
                "Containers come first: all other networks, and the other processes in a namespace, are looked at where no \
                 container has what is sought. A port is whoever publishes it or listens on it on the host; where nobody \
                 does, it is whoever listens on it inside.",
            ],
            examples: &[
                ("cnsenter who veth1a2b3c4", "Whose interface this is."),
                ("cnsenter who 172.17.0.5 :8080 6700", "Whose address, whose port, whose process."),
                ("cnsenter who 'net:[4026532633]'", "Who is in this network namespace."),
                ("pgrep nginx | cnsenter who -", "The container of each process."),
            ],
            statuses: &[
                ("0", "All were found."),
                ("1", "One was not found."),
                ("125", "The command line is wrong, or nothing could be found out."),
            ],
            see_also: "cnsenter(1), cnsenter-ls(1), cnsenter-netns(1), lsns(8), ss(8)",
            ..seeing
        },
        Some(Subcommand::Completions) => Texts {
            description: &[
                "Prints a script for the shell, which completes options, subcommands and their values, and after TARGET the \
                 other program's command line as the shell does it. At each TAB it asks cnsenter for the names of \
                 containers, networks and contexts as they are then. No daemon is waited for.",
            ],
            examples: &[
                ("source <(cnsenter completions bash)", "In this shell alone; so for zsh."),
                ("cnsenter completions fish | source", "The same for fish."),
            ],
            security: &[
                "A name that cnsenter itself would not take is not offered. Nothing of a name is evaluated by the shell: it is \
                 quoted where it must be. The shell runs the cnsenter of its PATH, whatever path was typed.",
                "An ordinary user is shown the containers that they may see, also in a line that begins with sudo.",
            ],
            see_also: "cnsenter(1), bash(1), zshcompsys(1), fish(1)",
            ..seeing
        },
        Some(Subcommand::Man) => Texts {
            description: &[
                "Shows a page of the manual: on a terminal by man(1), or in a pager where there is no man(1); in a pipe as \
                 text.",
            ],
            examples: &[
                ("cnsenter man", "cnsenter(1)."),
                ("cnsenter man who", "cnsenter-who(1)."),
                ("cnsenter man --roff ls > /usr/local/share/man/man1/cnsenter-ls.1", "For man(1) itself."),
            ],
            environment: &[&[("MANPAGER, PAGER", "What pages are shown by; less(1) if neither says.")]],
            files: &[("/usr/local/share/man/man1", "Where man(1) looks for pages.")],
            security: NOTHING,
            see_also: "cnsenter(1), man(1), less(1)",
            ..seeing
        },
    }
}

const ENTERING: Texts = Texts {
    description: &[
        "Joins those namespaces of a container that are asked for, and becomes the program. What is not asked for is not \
         entered: --net alone keeps the host's files and tools. No namespace option at all means all of them, and the \
         program is then one of the container's own, as docker exec would run it.",
        "Options come before TARGET; everything from the program's name on is the program's, with or without --. Every \
         command line of nsenter(1) does what it does there.",
    ],
    examples: help::EXAMPLES,
    statuses: help::STATUSES,
    environment: &[
        ENGINE_VARIABLES,
        &[
            ("SHELL", "What is run where no program is named."),
            ("TERM", "The only one of the caller's that a program among a container's files has, without --keep-env."),
        ],
    ],
    files: ENGINE_FILES,
    security: &[
        "cnsenter runs as root beside processes that may be hostile. A process is held by a pidfd and proven to be the \
         container's, by its start time or its cgroup, before it is joined: a pid that was reused is never entered.",
        "A container's own programs get what the container has: its user, groups, capabilities, seccomp filter, label, \
         cgroups, limits and environment, and a terminal of its own. --privileged and --raw leave that out. Nothing of \
         the caller's but stdin, stdout and stderr is within their reach, nor is cnsenter's binary.",
        "Tools of the host's (--net alone, say) keep their rights and the host's files, and see the container's names \
         and interfaces. --pid without --mount puts one among the container's processes, and is refused where those may \
         trace it. docs/security.md has the attacks, what holds them off, and what is not defended.",
    ],
    see_also: "cnsenter-ls(1), cnsenter-netns(1), cnsenter-inspect(1), cnsenter-who(1), cnsenter-completions(1), \
               cnsenter-man(1), nsenter(1), setns(2), namespaces(7), docker(1), ip-netns(8)",
};
