/* SPDX-License-Identifier: BSD-3-Clause */
/* Named values of a structure: reads them from text, checks, compares and prints them. The
 * daemon's settings and the words of a flavor are tables of these. */
#ifndef CHAOS_VMCFG_FIELD_H
#define CHAOS_VMCFG_FIELD_H

#include <stddef.h>

#include "split-toolstack/vmcfg/vmcfg.h"

enum field_type {
	FIELD_TEXT,   /* char *, malloced */
	FIELD_PATH,   /* likewise; begins with / */
	FIELD_IMAGE,  /* likewise; or image:NAME */
	FIELD_NAME,   /* char[size] */
	FIELD_NUMBER, /* uint32_t from low to high */
	FIELD_MEMORY, /* uint64_t, KiB; in text MiB if there is no unit */
	FIELD_WORD,   /* a bool or an enum: the index of a word in `words` */
	FIELD_LIST,   /* struct vmcfg_list: each text adds one */
};

struct field {
	const char *name;
	enum field_type type;
	size_t at, size; /* position in the structure: FIELD_AT() */
	uint32_t low, high;
	const char *const *words; /* ends with NULL */
};

#define FIELD_AT(structure, member)                                                                \
	.at = offsetof(structure, member), .size = sizeof(((structure *)0)->member)

/* Sets the value from text. `key` is its name in errors. -EINVAL with key, value and what is
 * allowed; -ENOMEM. After an error the old value is kept. */
int field_set(const struct field *f, void *in, const char *key, const char *value, struct err *e);
/* Frees its memory and sets it to zero. */
void field_clear(const struct field *f, void *in);
/* What is allowed: "0 to 1", "auto, on or off", "a path that begins with /". Empty: anything. */
void field_range(const struct field *f, char *to, size_t room);
/* The value as text that field_set() accepts; not for lists. In `to`, or the text in the
 * structure. */
const char *field_text(const struct field *f, const void *in, char *to, size_t room);
/* Not for lists. */
bool field_same(const struct field *f, const void *a, const void *b);

#endif
