/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of VMs: writes ours for dom0's tools, and reads theirs. */
#ifndef CHAOS_ENGINE_NAMES_H
#define CHAOS_ENGINE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct engine;
struct names;
struct vm;
struct shown_name; /* what xenstored has of a VM's domain */
struct xen_domain_info;

/* --- names.c: names of other toolstacks' domains --- */

int names_open(struct engine *en, struct err *e);
void names_close(struct engine *en);
/* Mode own, after a start: reads the names of others in the store. */
void names_adopted(struct engine *en);
/* The name of another toolstack's domain, NULL: it has none; valid until the next call of the
 * store or of names. */
const char *names_of(struct engine *en, const struct xen_domain_info *info);
/* Whether domains of other toolstacks have names. */
bool names_has_others(const struct engine *en);
/* -EEXIST: a domain of another toolstack has that name. Asks Xen only if one is known to. */
int names_search(struct engine *en, const char *name, struct err *e);
static inline int names_check(struct engine *in, const char *name, struct err *e)
{
	return names_has_others(in) ? names_search(in, name, e) : 0;
}
/* A tool has written this name for a VM of ours: true: it is its name; false: restore the old
 * one. */
bool names_by_tool(struct vm *vm, const char *name);
/* The same for any other domain; NULL: it is gone. */
void names_other(struct engine *en, const uint8_t uuid[16], const char *name);
/* Parses "/vm/<uuid>" or "/vm/<uuid>/<leaf>"; *leaf is "" or the rest without its slash. */
bool names_parse(const char *path, uint8_t uuid[16], const char **leaf);

/* --- names_beside.c: nodes that xl reads in xenstored; no effect in other modes --- */

/* The VM has a domain now, or another name. It is written in idle time. */
void names_changed(struct vm *vm);
/* Its domain will be destroyed; the nodes are removed in idle time. */
void names_ended(struct vm *vm);
/* The VM will be freed; the nodes in xenstored stay. */
void names_forget(struct vm *vm);
/* Writes some of them; true: there are more. */
bool names_settle(struct engine *en, uint32_t most);
/* Removes the nodes of ended domains, at the end of the daemon. */
void names_flush(struct engine *en);
void names_follow(struct engine *en); /* call it when the mirror is open */
/* A change from the mirror; false: it is not about names. */
bool names_news(struct engine *en, const char *path, const char *value, uint64_t done);

#endif
