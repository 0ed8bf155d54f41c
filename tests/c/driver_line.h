/* Lines between a test and the driver: a word, then name=value, with %XX for every byte that would not stand in a line.
 * The value @null is a NULL pointer. */
#ifndef DRIVER_LINE_H
#define DRIVER_LINE_H

#include <stddef.h>
#include <stdint.h>

#define LINE_FIELDS 96

/* What the test wrote. */
struct line {
    char *text;
    int thread; /* "@2 poll ...": by thread 2 */
    const char *command;
    int count;
    const char *name[LINE_FIELDS];
    const char *value[LINE_FIELDS];
    char used[LINE_FIELDS];
};

/* Takes `text` over. 0 if it is no line. */
int line_parse(struct line *line, char *text);
void line_free(struct line *line);
int line_has(struct line *line, const char *name);
/* NULL for @null. */
const char *line_text(struct line *line, const char *name, const char *otherwise);
int64_t line_number(struct line *line, const char *name, int64_t otherwise);
int line_is(struct line *line, const char *name, const char *value);
/* A field that nobody asked for: a mistake of the test. NULL if there is none. */
const char *line_unused(const struct line *line);

/* What the driver answers. */
struct answer {
    size_t length;
    char text[24000];
};

void answer_begin(struct answer *answer, const char *kind);
void answer_text(struct answer *answer, const char *name, const char *value);
void answer_number(struct answer *answer, const char *name, int64_t value);
/* Whole lines only, whatever other threads write. */
void answer_send(struct answer *answer);

/* Ends the process: the test bench itself is broken. */
void bench_broken(const char *what, const char *detail);

#endif
