/* SPDX-License-Identifier: BSD-3-Clause */
/* A value of a structure that has a name: how it is read from text, checked, compared and shown.
 * The daemon's settings and the words of a flavor are tables of these. */
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
	FIELD_MEMORY, /* uint64_t, KiB; as text MiB without a unit */
	FIELD_WORD,   /* a bool or an enum: the index of its word in `words` */
	FIELD_LIST,   /* struct vmcfg_list: each text adds one */
};

struct field {
	const char *name;
	enum field_type type;
	size_t at, size; /* in the structure: FIELD_AT() */
	uint32_t low, high;
	const char *const *words; /* ends with NULL */
};

#define FIELD_AT(structure, member)                                                                \
	.at = offsetof(structure, member), .size = sizeof(((structure *)0)->member)

/* Sets it from text. `key` is what errors call it. -EINVAL with key, value and what may be given;
 * -ENOMEM. The old value stays after an error. */
int field_set(const struct field *f, void *in, const char *key, const char *value, struct err *e);
/* Frees what it holds and leaves zeros. */
void field_clear(const struct field *f, void *in);
/* What may be given: "0 to 1", "auto, on or off", "a path that begins with /". Empty: anything. */
void field_range(const struct field *f, char *to, size_t room);
/* The value as text that field_set() takes; not of lists. In `to`, or the text that is in the
 * structure. */
const char *field_text(const struct field *f, const void *in, char *to, size_t room);
/* Not of lists. */
bool field_same(const struct field *f, const void *a, const void *b);

#endif
