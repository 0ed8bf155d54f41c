/* A transport for the hook of vp_hooks: plain HTTP/1.1 over non-blocking sockets, to an address and not a name. For a
 * proxy on the same machine, for a bench, and as a pattern for a stack that works in pieces.
 *
 * Both functions are hooks as they are; `user` is not looked at. */
#ifndef SOCKET_TRANSPORT_H
#define SOCKET_TRANSPORT_H

#include <vpmeter.h>

/* Does what can be done at once and comes back: for a meter without threads. */
int32_t sockets_in_pieces(void *user, int32_t what, const vp_request *request, vp_answer *answer);
/* Waits for the answer. */
int32_t sockets_waiting(void *user, int32_t what, const vp_request *request, vp_answer *answer);

#endif
