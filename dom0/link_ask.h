/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests over rtnetlink, for the files of this folder. */
#ifndef NOXS_LINK_ASK_H
#define NOXS_LINK_ASK_H

#include <stddef.h>

#include <netlink/msg.h>

#include "dom0/link.h"

/* Allocates a message with this header and room for some attributes; NULL: out of memory. */
struct nl_msg *link_request(struct link *l, int type, int flags, const void *header, size_t len);
/* Sends m, frees it, and waits for the answer. 0: *h is a message of `type`, or with `type` 0
 * the kernel has acknowledged; otherwise the kernel's error. */
int link_ask(struct link *l, struct nl_msg *m, int type, struct nlmsghdr **h);
/* The kernel's error text for the request that failed with `rc`, or the text of the errno. */
const char *link_why(const struct link *l, int rc);

#endif
