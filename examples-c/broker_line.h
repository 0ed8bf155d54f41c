/* The line to the broker, kept up on a thread of its own; for fleet_relay.c and relay_meter.c. */
#ifndef BROKER_LINE_H
#define BROKER_LINE_H

#include <mosquitto.h>

/* Connects now, and again whenever the line is lost, after a random time of up to 1, 2, 4, ... `longest_pause_s` seconds, so
 * that a thousand cars that lost it together do not come back together. The callbacks of `broker` are set before. One line a
 * process. 0: no thread. */
int broker_line_start(struct mosquitto *broker, const char *host, int port, int keepalive_s, int longest_pause_s);

/* Says goodbye, with the last will if `with_will` (MQTT 5), and waits for the thread's end. */
void broker_line_stop(int with_will);

#endif
