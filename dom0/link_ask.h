/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over rtnetlink, as the files of this folder make them. */
#ifndef NOXS_LINK_ASK_H
#define NOXS_LINK_ASK_H

#include <stddef.h>

#include <netlink/msg.h>

#include "dom0/link.h"

/* A message with this header, and room for some attributes; NULL: no memory. */
struct nl_msg *link_request(struct link *l, int type, int flags, const void *header, size_t len);
/* Sends m, which is freed, and waits for its answer: 0 with *h set to a message of `type`, 0
 * without one for a plain acknowledgement, or what the kernel says. */
int link_ask(struct link *l, struct nl_msg *m, int type, struct nlmsghdr **h);
/* The kernel's own words about the request that failed with `rc`, or those of the error. */
const char *link_why(const struct link *l, int rc);

#endif
