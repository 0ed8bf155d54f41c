/* The meter's clock, moved together with the simulator's: a wait of the library takes no time of the test.
 *
 * Moved time is real time plus an offset. sleep_ms adds to that offset, and to the simulator's by its control port. */
#ifndef DRIVER_TIME_H
#define DRIVER_TIME_H

#include <stdint.h>

/* "127.0.0.1:4711"; takes over the offset that the simulator's time has by now. */
void moved_time_start(const char *control);
void moved_time_advance(int64_t ms);
/* Every sleep is at least so long: fewer of them, where the test does not look at the time. */
void moved_time_coarse(int64_t ms);
/* The wall clock alone, and only the meter's: somebody sets it, or its battery dies. */
void moved_time_jump_wall(int64_t ms);

int64_t moved_wall_ms(void *user);
int64_t moved_monotonic_ms(void *user);
void moved_sleep_ms(void *user, uint32_t ms);

/* The same hooks with the real clocks of the system. */
int64_t real_wall_ms(void *user);
int64_t real_monotonic_ms(void *user);
void real_sleep_ms(void *user, uint32_t ms);

#endif
