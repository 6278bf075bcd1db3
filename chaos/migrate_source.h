/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's half of a migration. */
#ifndef CHAOS_CHAOS_MIGRATE_SOURCE_H
#define CHAOS_CHAOS_MIGRATE_SOURCE_H

#include "chaos/migrate.h"

struct migration {
	struct client c, beside; /* `beside`: to ask how far it is */
	struct link l;
	struct chaos_vm vm;
	int timeout_ms;
	bool live;	     /* it runs while it is copied: asked for, then: the target can, too */
	const char *why_not; /* else why, if that was asked for */
	uint32_t rounds, arrived; /* that chaosd has written, and the other host has read */
	uint64_t round_pages;	  /* of all of them */
	uint32_t save_tag;
	uint32_t needs[65], needs_bytes; /* what of its CPU it may use, as chaosd says it */
	bool filled;			 /* FILLED has come, and has said: */
	char there[37],
		boot[MIGRATE_BOOT]; /* the VM's uuid at the target, and which boot that is */
	uint64_t since;
	const struct migrate_way *way;
	uint64_t seen, moved_at; /* bytes so far, and when they were fewer */
	bool shown;
	/* what is told of it */
	char name[sizeof(((struct chaos_vm *)0)->name)];
	uint32_t domid; /* there */
	uint64_t bytes, pages, present, stopped_ns, written_at, start, runs_at;
};

enum outcome {
	STAYS, /* it goes on here; `e` says why */
	MOVED,
	UNSURE, /* it stands still here, and may run there */
};

/* m->c is open, m->l is not; both are to be closed afterwards. */
enum outcome migrate_away(struct migration *m, const char *what, const struct migrate_way *w,
			  struct err *e);

/* migrate_progress.c: what takes longer is looked at so often, and shown on a terminal. */
#define TICK_MS 1000
/* -ETIMEDOUT: nothing moves. */
int progress_tick(struct migration *m, bool written, struct err *e);
/* A round of so many pages is over. */
void progress_round(struct migration *m, uint64_t pages);

#endif
