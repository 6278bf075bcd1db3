/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the monitor of a container is: its cgroup and namespaces. */
#ifndef CHAOS_OCI_PLACE_H
#define CHAOS_OCI_PLACE_H

#include "oci/bundle.h"
#include "oci/state.h"

/* The folder of a cgroup by its name in config.json, the caller's; NULL with the reason. */
char *place_cgroup(const char *named, struct err *e);
/* Makes the cgroup that the bundle names, and notes its folder in c->cgroup (NULL: it names none,
 * or the host has no cgroup2). Both forms are understood: a path, and "slice:prefix:name". */
int place_make_cgroup(const struct bundle *b, struct container *c, struct err *e);
/* Removes it, when it is empty. */
void place_remove_cgroup(const struct container *c);

/* Moves the calling process into that cgroup, and into the bundle's network namespace, which is
 * made when it has no path; its next child begins a PID namespace. */
int place_enter(const struct bundle *b, const struct container *c, struct err *e);
/* The network namespace of the caller, by its inode; 0: that cannot be said. */
uint64_t place_network(void);
/* Gives up all capabilities, for good. */
int place_drop_rights(struct err *e);
/* Replaced whole: an engine watches for it. NULL: there is none. */
int place_write_pid(const char *path, pid_t pid, struct err *e);

#endif
