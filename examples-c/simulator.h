/* Starts and stops vp-simulator, the Vipps MobilePay servers on loopback, from a test program. With simulator.c to copy into
 * the tests of a meter; POSIX, no further library. */
#ifndef SIMULATOR_H
#define SIMULATOR_H

#include <sys/types.h>

struct simulator {
    pid_t pid;
    int stdin_fd;      /* as long as this is open, the simulator runs; it ends with this program, however that ends */
    char url[64];      /* of the servers, such as "https://127.0.0.1:4010" */
    char control[64];  /* of the control API, such as "http://127.0.0.1:41235" */
    char ca_file[256]; /* the throw-away certificate authority; empty without --tls */
};

/* Starts `program`, a path or a name on the PATH, on free ports and with further `arguments` (ends with NULL; may be NULL
 * itself), and waits until it is ready, at most `limit_ms`. Returns 0, or -1 with nothing left running; why is on stderr. */
int simulator_start(struct simulator *simulator, const char *program, const char *const *arguments, int limit_ms);

/* Ends it and waits for its end; it takes its temporary files with it. Returns 0 if it ended in good order. */
int simulator_stop(struct simulator *simulator);

#endif
