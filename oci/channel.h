/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of linux.c to the agent: chaosd moves its bytes. */
#ifndef CHAOS_OCI_CHANNEL_H
#define CHAOS_OCI_CHANNEL_H

#include "oci/session.h"

extern const struct link_ops channel_link_ops;

/* Asks chaosd for the channel; without it `m->chaos` is NULL, and it is tried again. */
void channel_connect(struct linux_monitor *m);
void channel_hang_up(struct linux_monitor *m);
/* Takes what has come. */
void channel_read(struct linux_monitor *m);

#endif
