#define _POSIX_C_SOURCE 200809L
#include "driver_line.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static void decode(char *text)
{
    char *to = text;
    for (; *text != '\0'; text++) {
        if (text[0] == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
            *to++ = (char)(hex(text[1]) * 16 + hex(text[2]));
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
}

int line_parse(struct line *line, char *text)
{
    char *rest = NULL;
    char *word;
    memset(line, 0, sizeof *line);
    line->text = text;
    word = strtok_r(text, " \n", &rest);
    if (word != NULL && word[0] == '@') {
        line->thread = atoi(word + 1);
        word = strtok_r(NULL, " \n", &rest);
    }
    if (word == NULL)
        return 0;
    line->command = word;
    while ((word = strtok_r(NULL, " \n", &rest)) != NULL) {
        char *value = strchr(word, '=');
        if (value == NULL || line->count == LINE_FIELDS)
            bench_broken("no name=value, or too many of them", word);
        *value++ = '\0';
        line->name[line->count] = word;
        if (strcmp(value, "@null") == 0) {
            line->value[line->count] = NULL;
        } else {
            decode(value);
            line->value[line->count] = value;
        }
        line->count++;
    }
    return 1;
}

void line_free(struct line *line)
{
    free(line->text);
    line->text = NULL;
}

static int find(struct line *line, const char *name)
{
    int i;
    for (i = 0; i < line->count; i++) {
        if (strcmp(line->name[i], name) == 0) {
            line->used[i] = 1;
            return i;
        }
    }
    return -1;
}

int line_has(struct line *line, const char *name)
{
    return find(line, name) >= 0;
}

const char *line_text(struct line *line, const char *name, const char *otherwise)
{
    int i = find(line, name);
    return i < 0 ? otherwise : line->value[i];
}

int64_t line_number(struct line *line, const char *name, int64_t otherwise)
{
    const char *text = line_text(line, name, NULL);
    return text == NULL ? otherwise : (int64_t)strtoll(text, NULL, 10);
}

int line_is(struct line *line, const char *name, const char *value)
{
    const char *text = line_text(line, name, NULL);
    return text != NULL && strcmp(text, value) == 0;
}

const char *line_unused(const struct line *line)
{
    int i;
    for (i = 0; i < line->count; i++) {
        if (!line->used[i])
            return line->name[i];
    }
    return NULL;
}

static void add(struct answer *answer, const char *text, size_t length)
{
    if (answer->length + length + 2 > sizeof answer->text)
        bench_broken("an answer is too long", text);
    memcpy(answer->text + answer->length, text, length);
    answer->length += length;
}

void answer_begin(struct answer *answer, const char *kind)
{
    answer->length = 0;
    add(answer, kind, strlen(kind));
}

void answer_text(struct answer *answer, const char *name, const char *value)
{
    add(answer, " ", 1);
    add(answer, name, strlen(name));
    add(answer, "=", 1);
    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        if (c > ' ' && c < 0x7f && c != '%') {
            add(answer, value, 1);
        } else {
            char escaped[4];
            snprintf(escaped, sizeof escaped, "%%%02X", c);
            add(answer, escaped, 3);
        }
    }
}

void answer_number(struct answer *answer, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    answer_text(answer, name, text);
}

static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;

void answer_send(struct answer *answer)
{
    answer->text[answer->length++] = '\n';
    pthread_mutex_lock(&out_lock);
    fwrite(answer->text, 1, answer->length, stdout);
    fflush(stdout);
    pthread_mutex_unlock(&out_lock);
}

void bench_broken(const char *what, const char *detail)
{
    fprintf(stderr, "driver: %s: %s\n", what, detail);
    exit(70);
}
