/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces of dom0: interfaces moved there, and packets passed on between two of them. */
#ifndef NOXS_NETNS_H
#define NOXS_NETNS_H

#include <stdint.h>

#include "dom0/link.h"

/*
 * Opened for a moment: an open file keeps a namespace from ending. `link` is a socket in it, for
 * link_find() and link_set(). Packets are passed on by tc (sch_clsact, cls_matchall, act_mirred):
 * what comes in at one interface goes out at the other, and nothing else in the namespace sees it.
 */
struct netns {
	int fd;
	uint64_t inode;
	struct link *link;
};

/* Opens nothing but a namespace, whatever the path leads to. */
int netns_open(struct netns *n, const char *path, struct err *e);
void netns_close(struct netns *n);
/* Of the namespace in which `from` is. */
int netns_take(struct netns *n, struct link *from, int ifindex, struct err *e);
/* Both ways between two interfaces. *made: b had no place for filters before. Once more is fine. */
int netns_join(struct netns *n, int a, int b, bool *made, struct err *e);
/* Of one of the two; `made`: as above. What is not there is fine. */
void netns_part(struct netns *n, int ifindex, bool made);

#endif
