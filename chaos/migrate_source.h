/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's side of a migration. */
#ifndef CHAOS_CHAOS_MIGRATE_SOURCE_H
#define CHAOS_CHAOS_MIGRATE_SOURCE_H

#include "chaos/migrate.h"

struct migration {
	struct client c, beside; /* `beside`: a second connection, for the progress */
	struct link l;
	struct chaos_vm vm;
	int timeout_ms;
	bool live; /* the VM runs while it is copied: first the request, then whether the target
		      supports it */
	const char *why_not; /* the reason if it was requested and is not possible */
	uint32_t rounds,
		arrived;      /* rounds that chaosd has written, and that the other host has read */
	uint64_t round_pages; /* of all rounds */
	uint32_t save_tag;
	uint32_t needs[65], needs_bytes; /* CPU features that it may use, as bytes from chaosd */
	bool filled;			 /* FILLED has arrived, with: */
	char there[37],
		boot[MIGRATE_BOOT]; /* the VM's uuid on the target, and the target's boot id */
	uint64_t since;
	const struct migrate_way *way;
	uint64_t seen, moved_at; /* bytes so far, and when the number last changed */
	bool shown;
	/* for the output */
	char name[sizeof(((struct chaos_vm *)0)->name)];
	uint32_t domid; /* there */
	uint64_t bytes, pages, present, stopped_ns, written_at, start, runs_at;
};

enum outcome {
	STAYS, /* it continues here; `e` has the reason */
	MOVED,
	UNSURE, /* it is stopped here, and may run on the target */
};

/* m->c must be open, m->l not; close both afterwards. */
enum outcome migrate_away(struct migration *m, const char *what, const struct migrate_way *w,
			  struct err *e);

/* migrate_progress.c: interval at which the progress is checked, and shown on a terminal. */
#define TICK_MS 1000
/* -ETIMEDOUT: there is no progress. */
int progress_tick(struct migration *m, bool written, struct err *e);
/* A round with so many pages has ended. */
void progress_round(struct migration *m, uint64_t pages);

#endif
