/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest to be saved and restored on the fake hypervisor. */
#ifndef CHAOS_UNIT_SAVE_HELP_H
#define CHAOS_UNIT_SAVE_HELP_H

#include "libdom/save_stream.h"
#include "tests/fake/fake.h"
#include "tests/unit/libdom/pages_help.h"
#include "tests/unit/unit.h"

#define PAGES	64u
#define UNUSED	20u /* frames from here on ... */
#define USED	40u /* ... to here are untouched */
#define ZERO	10u /* a frame that is zero */
#define DEV_LOW 48u /* from here on lies what is the builder's */

struct way {
	enum dom_type type;
	bool plain, tables, pipe, window;
	bool noted; /* where the pages lie */
	bool taken; /* first into memory */
};

struct guest {
	struct dom d;
	bool noted, taken;
	uint8_t *pages; /* device and control page */
};

extern struct xen *x;
extern uint32_t guest_pages; /* PAGES unless a test wants more */

/* A guest that has used some of its memory. */
void live(struct guest *g, const struct way *w);
void end(struct guest *g);
struct save_source source_of(const struct guest *g);
int save(struct guest *g, int fd, struct save_stats *st, struct err *e);
/* Everything up to the pages; *s is opened when it succeeds. */
int open_stream(int fd, struct transfer *t, struct save_stream **s, struct err *e);
int restore(int fd, struct guest *g, const struct way *w, struct err *e);

/* Around each test: nothing may be left. */
int begin_save(void **state);
int end_save(void **state);

#define SAVE(f) cmocka_unit_test_setup_teardown(f, begin_save, end_save)

#endif
