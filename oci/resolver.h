/* SPDX-License-Identifier: BSD-3-Clause */
/* docker's name server: dockerd has it at 127.0.0.11 in the container's network namespace. A VM
 * asks it by its agent's channel (guests/linux/link/names.h). */
#ifndef CHAOS_OCI_RESOLVER_H
#define CHAOS_OCI_RESOLVER_H

#include <stdbool.h>

#include "base/err.h"
#include "oci/bundle.h"

#define RESOLVER_ADDRESS "127.0.0.11"

struct resolver {
	int udp, tcp; /* -1: there is none */
};

/* The text of a resolv.conf names it. */
bool resolver_named(const char *text);
/* The container has it: its resolv.conf names it, and it has a network namespace of its own. */
bool resolver_wanted(const struct bundle *b);
/* In that namespace, which is the VM's from now on. All that the name server asks itself from there
 * is taken, too, since none of its packets would have an answer. */
int resolver_open(struct resolver *r, struct err *e);
/* Begins a process that serves a stream, whose other end is in the VM: a file, or -errno. */
int resolver_start(struct resolver *r, struct err *e);

#endif
