"""What the library can touch: two rides under strace and the dynamic symbols, against docs/metrology.md; and that the rules
see what they must never see."""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
sys.dont_write_bytecode = True

import metrology  # noqa: E402

BUILD = Path(os.environ.get("VPMETER_LIB_DIR") or sys.exit("VPMETER_LIB_DIR is not set: run `make test`"))
HERE, THREAD = "100", "101"


def have_strace():
    if not shutil.which("strace") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run("apt-get update -qq && apt-get install -y -qq --no-install-recommends strace", shell=True,
                       capture_output=True, check=False)
    return shutil.which("strace") is not None


class ThePage(unittest.TestCase):
    def test_a_ride_touches_what_the_page_says_and_nothing_else(self):
        if not have_strace():
            self.skipTest("strace is not there and cannot be installed: apt-get install strace")
        complaints, page, rides = metrology.look(BUILD)
        self.assertEqual(complaints, [])
        kept = metrology.PAGE.read_text(encoding="utf-8")
        self.assertEqual(page, kept, "docs/metrology.md is old: make metrology")
        by_address, by_name = rides
        # The rides were rides, and the lookup was one: an empty trace would have nothing to complain about.
        self.assertGreater(by_address.counts["sendto"], 5)
        self.assertGreater(by_address.counts["fdatasync"], 2)
        self.assertEqual(by_address.counts["clone"] + by_address.counts["clone3"], 0)
        self.assertGreaterEqual(by_name.counts["clone"] + by_name.counts["clone3"], 1)
        self.assertEqual(by_address.touched["peers"], {"base_url"})

    def test_the_page_says_which_calls_in_one_place_only(self):
        calls = [name for _, names, _ in metrology.CALLS for name in names.split()]
        names = [name for _, names in metrology.IMPORTS for name in names.split()]
        self.assertEqual(len(calls), len(set(calls)))
        self.assertEqual(len(names), len(set(names)))


class TheRules(unittest.TestCase):
    def ride(self, *lines):
        ride = metrology.Ride("/opt/meter/minimal", "/data/journal", {"10.0.0.1:443", "fe80::1:443"}, "/etc/meter/ca.pem")
        return ride.read([f'{HERE} execve("/opt/meter/minimal", [], []) = 0', *lines])

    def test_what_a_ride_does(self):
        self.assertEqual(self.ride(
            f'{HERE} openat(AT_FDCWD</>, "/data/journal/open/r.a", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 4</data/journal/open/r.a>',
            f'{HERE} write(4</data/journal/open/r.a>, "vpmeter-journal", 15) = 15',
            f'{HERE} connect(5<TCP:[77]>, {{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}}, 16) = 0',
            f'{HERE} setsockopt(5<TCP:[77]>, SOL_SOCKET, SO_LINGER, {{l_onoff=1, l_linger=0}}, 8) = 0',
            f'{HERE} setsockopt(5<TCP:[77]>, SOL_TCP, TCP_USER_TIMEOUT, [10000], 4) = 0',
            f'{HERE} sendto(5<TCP:[10.0.0.2:4000->10.0.0.1:443]>, "x", 1, MSG_NOSIGNAL, NULL, 0) = 1',
            f'{HERE} connect(5<TCP:[10.0.0.2:4000->10.0.0.1:443]>, {{sa_family=AF_UNSPEC, sa_data="\\0"}}, 16) = 0',
            f'{HERE} sendto(6<TCPv6:[[fe80::2]:4000->[fe80::1]:443]>, "x", 1, MSG_NOSIGNAL, NULL, 0) = 1',
            f'{HERE} connect(6<TCPv6:[78]>, {{sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "fe80::1", &sin6_addr)}},'
            ' 28) = 0',
            f'{HERE} write(1<pipe:[5]>, "Paid", 4) = 4',
        ).complaints, [])

    def test_what_must_never_be(self):
        for line in [
            f'{HERE} openat(AT_FDCWD</>, "/data/journal2/x", O_WRONLY|O_CREAT, 0600) = 4</data/journal2/x>',
            f'{HERE} openat(AT_FDCWD</>, "/data/tariff", O_RDONLY) = 4</data/tariff>',
            f'{HERE} openat(AT_FDCWD</>, "/dev/ttyS0", O_RDWR) = 4</dev/ttyS0>',
            f'{HERE} openat(AT_FDCWD</>, "/etc/hosts", O_RDONLY) = 4</etc/hosts>',
            f'{HERE} unlink("/data/tariff") = 0',
            f'{HERE} rename("/data/journal/a", "/data/a") = 0',
            f'{HERE} write(2<pipe:[6]>, "warning", 7) = 7',
            f'{HERE} write(4</data/tariff>, "0", 1) = 1',
            f'{THREAD} write(1<pipe:[5]>, "hidden", 6) = 6',
            f'{HERE} socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 4<UDP:[9]>',
            f'{HERE} socket(AF_UNIX, SOCK_STREAM, 0) = 4<UNIX-STREAM:[9]>',
            f'{HERE} connect(5<TCP:[77]>, {{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")}}, 16) = 0',
            f'{HERE} connect(5<TCP:[77]>, {{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.9")}}, 16) = 0',
            f'{HERE} sendto(5<TCP:[10.0.0.2:4000->10.0.0.9:443]>, "x", 1, 0, NULL, 0) = 1',
            f'{HERE} sendto(6<TCPv6:[[fe80::2]:4000->[fe80::9]:443]>, "x", 1, 0, NULL, 0) = 1',
            f'{THREAD} connect(5<TCP:[77]>, {{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}}, 16) = 0',
            f'{HERE} connect(5<UDP:[77]>, {{sa_family=AF_UNSPEC, sa_data="\\0"}}, 16) = 0',
            f'{HERE} setsockopt(5<TCP:[77]>, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4) = 0',
            f'{HERE} bind(5<TCP:[77]>, {{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("0.0.0.0")}}, 16) = 0',
            f'{HERE} listen(5<TCP:[77]>, 8) = 0',
            f'{HERE} execve("/bin/sh", ["sh"], []) = 0',
            f'{HERE} fork() = 102',
            f'{HERE} clone3({{flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}}, 88) = 102',
            f'{HERE} clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 102',
            f'{HERE} kill(1, SIGTERM) = 0',
            f'{HERE} rt_sigaction(SIGPIPE, {{sa_handler=SIG_IGN}}, NULL, 8) = 0',
            f'{HERE} --- SIGPIPE {{si_signo=SIGPIPE}} ---',
            f'{HERE} clock_settime(CLOCK_REALTIME, {{tv_sec=0}}) = 0',
            f'{HERE} ptrace(PTRACE_ATTACH, 1) = 0',
            f'{HERE} ioctl(1<pipe:[5]>, TCGETS, 0x7ffe) = -1 ENOTTY',
            f'{HERE} mprotect(0x7f0000000000, 4096, PROT_READ|PROT_EXEC) = 0',
            f'{HERE} mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 4</data/journal/x>, 0) = 0x7f0000000000',
            f'{HERE} prctl(PR_SET_DUMPABLE, 0) = 0',
            f'{HERE} what is this',
        ]:
            self.assertEqual(len(self.ride(line).complaints), 1, line)

    def test_a_call_in_two_halves_is_one(self):
        self.assertEqual(len(self.ride(
            f'{HERE} openat(AT_FDCWD</>, "/data/tariff", O_RDONLY <unfinished ...>',
            f'{THREAD} futex(0x5, FUTEX_WAKE_PRIVATE, 1) = 1',
            f'{HERE} <... openat resumed>) = 4</data/tariff>',
        ).complaints), 1)

    def test_one_thread_at_a_time(self):
        thread = f'{HERE} clone3({{flags=CLONE_VM|CLONE_THREAD}}, 88) = {THREAD}'
        self.assertEqual(self.ride(thread, f'{THREAD} +++ exited with 0 +++', thread).complaints, [])
        self.assertEqual(len(self.ride(thread, thread).complaints), 1)

    def test_a_new_symbol_is_seen(self):
        self.assertEqual(metrology.imports_not_listed(["malloc", "free"]), [])
        self.assertEqual(len(metrology.imports_not_listed(["malloc", "execve", "system"])), 2)


if __name__ == "__main__":
    unittest.main()
