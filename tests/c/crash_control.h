/* The simulator's control port, for a program that has to be small: one kept connection, and no parser. */
#ifndef CRASH_CONTROL_H
#define CRASH_CONTROL_H

#include <stdint.h>

/* Ends the program: this must not happen. It is the program's own. */
void broken(const char *what, const char *detail);

/* Where it is: http://127.0.0.1:PORT. The text must live as long as the program. */
void control_at(const char *url);

/* One request, such as GET clock; the body of its answer, until the next one. */
char *ask(const char *method, const char *path, const char *body);

/* The number behind the first such name in a text, such as "\"offset_ms\":". */
int64_t number_after(const char *text, const char *name);

/* "fired" or "seen" of a fault rule, named in the same way; 0 if there is no such rule. */
int64_t number_of_rule(int rule, const char *name);

#endif
