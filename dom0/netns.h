/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces of dom0: moves interfaces into them, and forwards packets between two
 * interfaces there. */
#ifndef NOXS_NETNS_H
#define NOXS_NETNS_H

#include <stdint.h>

#include "dom0/link.h"

/* Open it only for a short time: an open file keeps a namespace from ending. `link` is a socket
 * in the namespace, for link_find() and link_set(). Packets are forwarded by tc (sch_clsact,
 * cls_matchall, act_mirred): each packet that arrives at one of two interfaces is sent out at
 * the other, and nothing else in the namespace gets it. */
struct netns {
	int fd;
	uint64_t inode;
	struct link *link;
};

/* Fails if the path leads to anything but a network namespace. */
int netns_open(struct netns *n, const char *path, struct err *e);
void netns_close(struct netns *n);
/* Moves an interface from the namespace of `from` into this one. */
int netns_take(struct netns *n, struct link *from, int ifindex, struct err *e);
/* Forwards packets between two interfaces in both directions. *made: b got its qdisc for filters
 * now. May be repeated. */
int netns_join(struct netns *n, int a, int b, bool *made, struct err *e);
/* Ends that for one of the two; `made` as above. Succeeds also if there is nothing to end. */
void netns_part(struct netns *n, int ifindex, bool made);

#endif
