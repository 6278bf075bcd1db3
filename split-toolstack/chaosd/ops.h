/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations of chaosd: op_NAME() for each request of the protocol; ops.c has the table. */
#ifndef CHAOS_OPS_H
#define CHAOS_OPS_H

#include "split-toolstack/chaosd/request.h"

/* The table, for server_open(). */
extern const struct operations operations;

/* op_create.c: sends an item for each phase of a create. */
void reply_times(struct conn *c, uint32_t tag, const struct vm_timings *t);
/* op_stream.c: begins to observe the engine for waits and consoles. */
void streams_open(struct engine *en, struct ev_loop *loop);
void streams_close(void);
/* op_events.c. -ENOMEM. */
int subscriptions_open(struct engine *en, struct conns *all, struct err *e);
void subscriptions_close(void);
/* op_save.c: the engine's flags for PROTO_F_* of a restore. */
uint32_t restore_flags(uint32_t flags);
/* op_snapshot.c: the vif that a copy is to have (SET), of which MAC and IP address are used; *vif
 * is in *d, or NULL: any. -EINVAL. */
int request_vif(const struct request *r, struct device_config *d, const struct vif_config **vif,
		struct err *e);

#define OPERATION(name, fn, text) operation op_##fn;
PROTO_REQUESTS(OPERATION)
#undef OPERATION

#endif
