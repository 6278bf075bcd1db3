/* SPDX-License-Identifier: BSD-3-Clause */
/* Names go both ways between VMs of ours and dom0's tools. */
#ifndef CHAOS_ENGINE_NAMES_H
#define CHAOS_ENGINE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct names;
struct vm;
struct shown_name; /* what xenstored was told of a VM's domain */
struct xen_domain_info;

/* --- names.c: what domains of other toolstacks are called --- */

int names_open(struct engine *en, struct err *e);
void names_close(struct engine *en);
/* Mode own, after a start: what the store has of others. */
void names_adopted(struct engine *en);
/* What other toolstacks call a domain, NULL: nothing; until the next call into store or names. */
const char *names_of(struct engine *en, const struct xen_domain_info *info);
/* Domains of other toolstacks have names. */
bool names_has_others(const struct engine *en);
/* -EEXIST: a domain of another toolstack has that name. Asks Xen only when one is known to. */
int names_search(struct engine *en, const char *name, struct err *e);
static inline int names_check(struct engine *in, const char *name, struct err *e)
{
	return names_has_others(in) ? names_search(in, name, e) : 0;
}
/* A tool has written this name for a VM of ours: it is its name, or is to be taken back (false). */
bool names_by_tool(struct vm *vm, const char *name);
/* The same for any other domain; NULL: it is gone. */
void names_other(struct engine *en, const uint8_t uuid[16], const char *name);
/* "/vm/<uuid>" or "/vm/<uuid>/<leaf>"; *leaf is "" or without its slash. */
bool names_parse(const char *path, uint8_t uuid[16], const char **leaf);

/* --- names_beside.c: what xl looks for in xenstored; nothing happens in other modes --- */

/* The VM has a domain, or another name. It is written in idle time. */
void names_changed(struct vm *vm);
/* Its domain goes: likewise. */
void names_ended(struct vm *vm);
/* The VM is about to be freed; what xenstored has stays. */
void names_forget(struct vm *vm);
/* A few of these; true: there are more. */
bool names_settle(struct engine *en, uint32_t most);
/* Those that end, at the end of the daemon. */
void names_flush(struct engine *en);
void names_follow(struct engine *en); /* the mirror is open */
/* News of the mirror; false: they are not of names. */
bool names_news(struct engine *en, const char *path, const char *value, uint64_t done);

#endif
