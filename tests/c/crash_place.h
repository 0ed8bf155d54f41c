/* Where a program is in what it does to the world, so that it can be killed there again. */
#ifndef CRASH_PLACE_H
#define CRASH_PLACE_H

#include <stdint.h>

/* Counts from here on, in a file that survives a SIGKILL: two numbers of 64 bits, how often the program was about to
 * change something on disk, and how often time was moved since. 0 if there is no such file. */
int place_open(const char *path);

/* SIGKILL at this place: before the next change, when so many have been made and time was moved so often since, or the next
 * change is due; and not before `arrived` says that its requests have. A program that goes on to another change
 * before that goes another way: it ends with PLACE_MISSED. */
void place_stop(uint64_t changes, uint64_t moves, int (*arrived)(void));
#define PLACE_MISSED 71

/* From here on what is called random follows from this number. */
void place_random(uint64_t seed);

/* Before a change that is no system call. */
void place_change(void);

/* Before time is moved. */
void place_move(void);

#endif
