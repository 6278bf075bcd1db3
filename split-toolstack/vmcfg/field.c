/* SPDX-License-Identifier: BSD-3-Clause */
/* Named values of structures. */
#include "split-toolstack/vmcfg/field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/images/imagestore.h"

#define SHOWN "%.200s" /* of a value, in an error */

static void *place(const struct field *f, void *in)
{
	return (char *)in + f->at;
}

static const void *place_of(const struct field *f, const void *in)
{
	return (const char *)in + f->at;
}

/* "a, b or c" */
static void list_words(const char *const *words, char *to, size_t room)
{
	size_t used = 0;

	for (; *words && used < room; words++) {
		const char *joint = used == 0 ? "" : words[1] ? ", " : " or ";
		int n = snprintf(to + used, room - used, "%s%s", joint, *words);

		used += n < 0 ? 0 : (size_t)n;
	}
}

void field_range(const struct field *f, char *to, size_t room)
{
	to[0] = '\0';
	switch (f->type) {
	case FIELD_PATH:
		(void)snprintf(to, room, "a path that begins with /");
		break;
	case FIELD_IMAGE:
		(void)snprintf(to, room, "a path that begins with /, or " IMAGE_PREFIX "NAME");
		break;
	case FIELD_NAME:
		(void)snprintf(to, room, "at most %zu characters", f->size - 1);
		break;
	case FIELD_NUMBER:
		(void)snprintf(to, room, "%u to %u", f->low, f->high);
		break;
	case FIELD_MEMORY:
		(void)snprintf(to, room, "MiB, or a number with K, M, G or T");
		break;
	case FIELD_WORD:
		list_words(f->words, to, room);
		break;
	case FIELD_TEXT:
	case FIELD_LIST:
		break;
	}
}

static int refuse(const struct field *f, const char *key, const char *value, struct err *e)
{
	char range[128];

	field_range(f, range, sizeof(range));
	return err_set(e, EINVAL, "%s \"" SHOWN "\": give %s", key, value, range);
}

static int set_copy(char **to, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static bool is_image(const char *value)
{
	return strncmp(value, IMAGE_PREFIX, strlen(IMAGE_PREFIX)) == 0;
}

/* The lowest byte is the value: a bool has one, an enum four. */
static uint32_t word_index(const struct field *f, const void *in)
{
	uint32_t i = 0;

	memcpy(&i, place_of(f, in), f->size < sizeof(i) ? f->size : sizeof(i));
	return i;
}

static int set_word(const struct field *f, void *in, const char *key, const char *value,
		    struct err *e)
{
	for (uint32_t i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], value) != 0)
			continue;
		memcpy(place(f, in), &i, f->size < sizeof(i) ? f->size : sizeof(i));
		return 0;
	}
	return refuse(f, key, value, e);
}

static int set_name(const struct field *f, void *in, const char *key, const char *value,
		    struct err *e)
{
	size_t len = strlen(value);

	if (len >= f->size)
		return refuse(f, key, value, e);
	memcpy(place(f, in), value, len + 1);
	return 0;
}

int field_set(const struct field *f, void *in, const char *key, const char *value, struct err *e)
{
	void *to = place(f, in);

	switch (f->type) {
	case FIELD_PATH:
		return *value == '/' ? set_copy(to, value, e) : refuse(f, key, value, e);
	case FIELD_IMAGE:
		return *value == '/' || is_image(value) ? set_copy(to, value, e)
							: refuse(f, key, value, e);
	case FIELD_NAME:
		return set_name(f, in, key, value, e);
	case FIELD_NUMBER:
		return vmcfg_number(key, value, f->low, f->high, to, e);
	case FIELD_MEMORY:
		return vmcfg_memory(key, value, to, e);
	case FIELD_WORD:
		return set_word(f, in, key, value, e);
	case FIELD_LIST:
		return vmcfg_add(to, value, strlen(value)) < 0 ? err_set(e, ENOMEM, "out of memory")
							       : 0;
	case FIELD_TEXT:
		break;
	}
	return set_copy(to, value, e);
}

static bool is_malloced(const struct field *f)
{
	return f->type == FIELD_TEXT || f->type == FIELD_PATH || f->type == FIELD_IMAGE;
}

void field_clear(const struct field *f, void *in)
{
	if (is_malloced(f))
		free(*(char **)place(f, in));
	else if (f->type == FIELD_LIST)
		vmcfg_list_clear(place(f, in));
	memset(place(f, in), 0, f->size);
}

const char *field_text(const struct field *f, const void *in, char *to, size_t room)
{
	const void *from = place_of(f, in);

	if (f->type == FIELD_NUMBER)
		(void)snprintf(to, room, "%u", *(const uint32_t *)from);
	else if (f->type == FIELD_MEMORY)
		(void)snprintf(to, room, "%lluK", (unsigned long long)*(const uint64_t *)from);
	else if (f->type == FIELD_WORD)
		return f->words[word_index(f, in)];
	else if (f->type == FIELD_NAME)
		return from;
	else if (is_malloced(f))
		return *(char *const *)from;
	return to;
}

bool field_same(const struct field *f, const void *a, const void *b)
{
	char text_a[32] = "";
	char text_b[32] = "";

	return strcmp(field_text(f, a, text_a, sizeof(text_a)),
		      field_text(f, b, text_b, sizeof(text_b))) == 0;
}
