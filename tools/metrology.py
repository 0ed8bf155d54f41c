#!/usr/bin/env python3
"""What the library can touch: its dynamic symbols, and every system call of examples-c/minimal.c in two rides under strace.

Holds what it sees against the lists in this file, from which the tables of docs/metrology.md are written, and names what is
not on them. `make metrology` writes the page. Needs strace and binutils.
"""

import argparse
import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

from vp_simulator import Simulator  # noqa: E402

PAGE = ROOT / "docs" / "metrology.md"
# A ride to an address is paid long before; one to a name may have nobody at its end, and has then shown what is to be seen.
LIMIT_S = {"address": 120, "name": 15}

# What the library asks the system's libraries for, and why. The same thing has other names on other systems.
IMPORTS = [
    ("memory and strings", "malloc calloc realloc posix_memalign free mmap64 munmap bcmp memcmp memcpy memmove memset strlen strnlen"),
    ("files", "open open64 read readlink write writev lseek64 close fsync fdatasync stat64 fstat64 statx mkdir rename unlink "
              "opendir readdir64 dirfd closedir realpath getcwd"),
    ("name lookup", "getaddrinfo freeaddrinfo gai_strerror __res_init"),
    ("binding a socket to `interface_name`", "setsockopt"),
    ("time and waiting", "clock_gettime clock_nanosleep poll pause"),
    ("threads", "pthread_create pthread_detach pthread_self pthread_setname_np pthread_attr_init pthread_attr_destroy "
                "pthread_attr_setstacksize pthread_key_create pthread_key_delete pthread_setspecific pthread_mutex_lock "
                "pthread_mutex_unlock __tls_get_addr __cxa_thread_atexit_impl getpid gettid sysconf"),
    ("random numbers", "getrandom"),
    ("system calls by number", "syscall"),
    ("catching a panic, and its text", "_Unwind_Backtrace _Unwind_DeleteException _Unwind_GetDataRelBase _Unwind_GetIP "
                                       "_Unwind_GetIPInfo _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart "
                                       "_Unwind_GetTextRelBase _Unwind_RaiseException _Unwind_Resume _Unwind_SetGR _Unwind_SetIP "
                                       "dl_iterate_phdr getenv abort __errno_location __xpg_strerror_r"),
    ("what this system has", "dlsym gnu_get_libc_version"),
    ("loading and unloading", "__cxa_finalize __gmon_start__ _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable"),
]

# The system calls that may be seen, and what the rules below allow them to touch. Other kernels and C libraries use other
# calls for the same thing: those stand beside each other.
FILES = ("below the journal; `ca_file` is read; making the journal syncs the directory that it is in; a name lookup reads "
         "the system's own settings for it")
CALLS = [
    ("files", "open openat close read pread64 readv write writev pwrite64 lseek _llseek stat fstat newfstatat fstatat64 statx "
              "access faccessat faccessat2 fcntl fcntl64 fsync fdatasync flock getdents getdents64 mkdir mkdirat rename "
              "renameat renameat2 unlink unlinkat readlink readlinkat getcwd", FILES),
    ("network", "socket connect setsockopt getsockopt getsockname getpeername send sendto sendmsg sendmmsg recv recvfrom "
                "recvmsg bind shutdown ioctl", "TCP to the address and port of `base_url` (where `addresses` or `proxy_url` "
                "say otherwise: to those), and nothing else; what a name lookup of the C library asks of the name servers"),
    ("time and waiting", "poll ppoll ppoll_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 nanosleep "
                         "gettimeofday restart_syscall", "waits of at most a second, and clocks are read, never set"),
    ("threads", "clone clone3 futex futex_time64 set_robust_list rseq rt_sigprocmask rt_sigaction prctl sched_getaffinity "
                "sched_yield madvise exit gettid getpid uname",
     "a thread for a name lookup, one at a time; only the signals of the C library itself; no process"),
    ("memory", "brk mmap mmap2 munmap mremap mprotect", "of this process; nothing becomes program but the libraries that are "
               "loaded"),
    ("random numbers", "getrandom", "from the kernel"),
    ("start and end of the program", "execve arch_prctl set_thread_area set_tid_address prlimit64 ugetrlimit exit_group",
     "the program itself, before and after the library"),
]

LOOKUP_FILES = re.compile(r"^(/|/etc/(nsswitch\.conf|host\.conf|resolv\.conf|hosts|gai\.conf|services|networks)"
                          r"|/run/systemd/resolve/.*|/var/run/nscd/socket)$")
LOADED = re.compile(r"(\.so(\.[0-9]+)*|^/etc/ld\.so\.(cache|preload)|^/proc/self/exe|/glibc-hwcaps(/.*)?)$")
CHANGES = {"mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat"}
WRITES = {"write", "writev", "pwrite64"}
TRAFFIC = {"setsockopt", "getsockopt", "getsockname", "getpeername", "send", "sendto", "sendmsg", "sendmmsg", "recv",
           "recvfrom", "recvmsg", "shutdown"}


class Ride:
    """The trace of one ride, held against what it may touch."""

    def __init__(self, program, journal, servers, ca_file):
        self.program, self.journal, self.servers, self.ca_file = program, journal, servers, ca_file
        self.main = None
        self.alive = 0
        self.complaints, self.counts = [], collections.Counter()
        self.touched = collections.defaultdict(set)

    def read(self, lines):
        waiting = {}
        for line in lines:
            pid, rest = line.split(None, 1)
            rest = rest.rstrip("\n")
            self.main = self.main or pid
            if rest.startswith("+++"):
                self.alive -= pid != self.main
            elif rest.startswith("---"):
                self.complain(f"a signal: {rest}")
            elif rest.endswith("<unfinished ...>"):
                waiting[pid] = rest[: -len("<unfinished ...>")]
            else:
                resumed = re.match(r"<\.\.\. \w+ resumed>", rest)
                if resumed:
                    rest = waiting.pop(pid, "") + rest[resumed.end():]
                call = re.match(r"(\w+)\((.*)\)\s+= (.*)$", rest) or re.match(r"(\w+)\((.*)(\?|$)", rest)
                if not call:
                    self.complain(f"not understood: {rest}")
                    continue
                name, arguments, result = call.groups()
                self.counts[name] += 1
                why = self.judge(name, arguments, pid != self.main)
                if why:
                    self.complain(f"{why}: {name}({arguments[:200]}) = {result}")
        return self

    def complain(self, what):
        self.complaints.append(what)

    def below(self, path):
        return path == self.journal or path.startswith(self.journal + "/")

    def told(self, path, how):
        """A file that was touched, in words that are the same in every ride."""
        place = path.replace(self.journal, "JOURNAL").replace("traced-ride-0001", "REFERENCE")
        place = "ca_file" if path == self.ca_file else "the directory with the journal" if path == str(Path(self.journal).parent) else place
        self.touched[how].add(place)

    def readable(self, path, lookup):
        if LOADED.search(path) or path == self.program:
            return True
        if lookup and LOOKUP_FILES.match(path):
            self.told(path, "read by a name lookup")
            return True
        if self.below(path) or path in (self.ca_file, str(Path(self.journal).parent)):
            self.told(path, "read")
            return True
        return False

    def judge(self, name, arguments, lookup):
        """Why this call must not be, or None. `lookup`: it was on a thread."""
        if not any(name in calls.split() for _, calls, _ in CALLS):
            return "not among the calls of the page"
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)
        if name in ("open", "openat"):
            if re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)", arguments):
                self.told(paths[0], "written")
                return None if self.below(paths[0]) else "a file outside of the journal is written"
            return None if self.readable(paths[0], lookup) else "a file is read that is none of its business"
        if name in CHANGES:
            for path in paths:
                self.told(path, "written")
            return None if all(map(self.below, paths)) else "a name outside of the journal is changed"
        if name in WRITES:
            target = re.match(r"(\d+)(?:<([^>]*)>)?", arguments)
            if target.group(1) == "1" and not lookup:
                return None  # the program's own words
            if lookup and "NETLINK" in arguments:
                return None
            return None if self.below(target.group(2) or "") else "written to what is not the journal"
        if name in ("stat", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "newfstatat", "fstatat64", "statx"):
            # The loader looks at the directories in which it looks for the library.
            beside = paths and paths[0].startswith(os.path.dirname(self.program) + "/") and not lookup
            return None if beside or not paths or not paths[0] or self.readable(paths[0], lookup) else "a file is looked at"
        if name == "socket":
            tcp = re.match(r"AF_INET6?, SOCK_STREAM", arguments)
            if tcp or (lookup and re.match(r"AF_(INET6?, SOCK_DGRAM|UNIX|NETLINK)", arguments)):
                return None
            return "a socket of another kind"
        if name == "connect":
            return self.peer(arguments, lookup)
        if name in ("bind", "ioctl"):
            return None if lookup else "not needed for a ride"
        if name in TRAFFIC:
            other = re.match(r"\d+<TCP(?:v6)?:\[.*?->(.*?)\]>", arguments)
            if other and re.sub(r"[][]", "", other.group(1)) not in self.servers:
                return "spoken to somebody else"
            return None if other or lookup or re.search("SOL_TCP|SO_ERROR|SO_LINGER", arguments) else "spoken to whom nobody knows"
        if name in ("clone", "clone3"):
            self.alive += 1
            self.touched["threads"].add("vpmeter-lookup")
            return None if "CLONE_THREAD" in arguments and self.alive == 1 else "a process, or a second thread"
        if name == "prctl":
            return None if 'PR_SET_NAME, "vpmeter-lookup"' in arguments else "not to name its thread"
        if name == "rt_sigaction":
            return None if re.match(r"SIGRT_[01]\b|SIGRTMIN", arguments) else "a signal of the host is taken"
        if name == "execve":
            return None if self.counts[name] == 1 else "another program is started"
        if name in ("mmap", "mmap2", "mprotect") and "PROT_EXEC" in arguments:
            loaded = re.search(r"\d+<([^>]*)>", arguments)
            return None if loaded and LOADED.search(loaded.group(1)) else "memory becomes program"
        return None

    def peer(self, arguments, lookup):
        if re.match(r"\d+<TCP(v6)?:.*AF_UNSPEC", arguments) and not lookup:
            return None  # the end of a connection, by a reset
        port, address = re.search(r"port=htons\((\d+)\)", arguments), re.search(r'"([0-9a-fA-F.:]+)"[),]', arguments)
        if port and address:
            peer = f"{address.group(1)}:{port.group(1)}"
            if peer in self.servers and not lookup:
                self.touched["peers"].add("base_url")
                return None
            # The C library asks the kernel for routes by connecting a datagram socket; nothing is sent by that.
            return None if lookup and ("UDP" in arguments or port.group(1) in ("53", "0")) else "a connection to somebody else"
        return None if lookup and re.search(r"AF_(UNIX.*nscd|UNSPEC|NETLINK)", arguments) else "a connection to whom nobody knows"


def traced(build, host=None):
    """A ride over TLS to the address of the servers, or the beginning of one to a name."""
    scratch = tempfile.mkdtemp(prefix="vpmeter-metrology-")
    program = str(build / "minimal")
    try:
        with Simulator("--tls", "--passenger", "approve") as servers:
            port = servers.url.rsplit(":", 1)[1]
            journal = f"{scratch}/journal"
            environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(build), "VPMETER_CLIENT_ID": "sim-client-id",
                           "VPMETER_URL": f"https://{host or '127.0.0.1'}:{port}", "VPMETER_CA_FILE": servers.ca_file,
                           "VPMETER_CLIENT_SECRET": "sim-client-secret", "VPMETER_SUBSCRIPTION_KEY": "sim-subscription-key",
                           "VPMETER_MSN": "123456", "VPMETER_JOURNAL_DIR": journal}
            strace = ["strace", "-f", "-yy", "-s", "256", "-o", f"{scratch}/trace"]
            process = subprocess.Popen([*strace, program, "24900", "912 34 567", "traced-ride-0001"], env=environment, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
            try:
                said, complained = process.communicate(timeout=LIMIT_S["name" if host else "address"])
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                said, complained = process.communicate()
            ride = Ride(program, journal, addresses(host or "127.0.0.1", port), servers.ca_file)
        trace = Path(f"{scratch}/trace").read_text(encoding="utf-8", errors="replace")
        ride.read(trace[: trace.rfind("\n") + 1].splitlines())  # the last line of a ride that was ended may be a half
        if complained:
            ride.complain(f"something was written to stderr: {complained[:200]}")
        if host is None and process.returncode != 0:
            ride.complain(f"the ride was not paid: {said} {complained}")
        return ride
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def addresses(host, port):
    try:
        return {f"{found[4][0]}:{port}" for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except socket.gaierror:
        return set()


def own_name():
    """A name that this machine knows for 127.0.0.1 and that no program treats as special, if there is one."""
    for line in Path("/etc/hosts").read_text(encoding="utf-8").splitlines():
        names = line.split("#", 1)[0].split()
        if names[:1] == ["127.0.0.1"]:
            for name in names[1:]:
                if not name.startswith("localhost"):
                    return name
    return socket.gethostname()


def symbols(build, which):
    text = subprocess.run(["nm", "-D", which, str(build / "libvpmeter.so")], check=True, capture_output=True, text=True).stdout
    return sorted({line.split()[-1].split("@")[0] for line in text.splitlines()})


def imports_not_listed(imported):
    listed = {name for _, names in IMPORTS for name in names.split()}
    return [f"a symbol that the page does not have: {name}" for name in imported if name not in listed]


def code(names):
    return ", ".join(f"`{name}`" for name in names)


def tables(exported, rides):
    """The generated parts of the page."""
    touched = {how: sorted({place for ride in rides for place in ride.touched[how]})
               for how in ("written", "read", "read by a name lookup", "peers", "threads")}
    rows = [("files written, made, renamed, removed", code(touched["written"])), ("files read", code(touched["read"])),
            ("connections", code(touched["peers"])), ("threads", code(touched["threads"]) or "none"),
            ("processes, other programs, signals of the host, terminals, devices", "none"), ("written to stderr", "nothing")]
    return {
        "exports": f"{len(exported)} functions, those of `vpmeter.h`: {code(exported)}.",
        "imports": "\n".join(["| For | Names |", "|---|---|", *(f"| {why} | {code(names.split())} |" for why, names in IMPORTS)]),
        "calls": "\n".join(["| Kind | Calls that may be seen | What they may touch |", "|---|---|---|",
                            *(f"| {kind} | {code(calls.split())} | {what} |" for kind, calls, what in CALLS)]),
        "ride": "\n".join(["| In these rides | |", "|---|---|", *(f"| {what} | {seen} |" for what, seen in rows)]),
    }


def filled(page, parts):
    for name, text in parts.items():
        page, count = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m: f"{m.group(1)}{text}\n{m.group(2)}", page, flags=re.S)
        if count != 1:
            raise SystemExit(f"{PAGE} has no place for {name}")
    return page


def look(build):
    """What there is to complain about, and the page as it should be."""
    rides = [traced(build), traced(build, own_name())]
    complaints = imports_not_listed(symbols(build, "--undefined-only"))
    complaints += [complaint for ride in rides for complaint in ride.complaints]
    exported = symbols(build, "--defined-only")
    complaints += [f"exported: {name}" for name in exported if not name.startswith("vp_")]
    return complaints, filled(PAGE.read_text(encoding="utf-8"), tables(exported, rides)), rides


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", required=True, type=Path, help="where the library and minimal are")
    build = arguments.parse_args().build.resolve()
    complaints, page, rides = look(build)
    for ride, what in zip(rides, ("to an address", "to a name")):
        seen = ", ".join(f"{name} {count}" for name, count in sorted(ride.counts.items()))
        print(f"a ride {what}: {sum(ride.counts.values())} system calls: {seen}")
    for complaint in complaints:
        print(f"NOT ALLOWED: {complaint}")
    if not complaints:
        PAGE.write_text(page, encoding="utf-8")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
