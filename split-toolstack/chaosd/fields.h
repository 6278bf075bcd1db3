/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes the engine's structures as fields of frames. */
#ifndef CHAOS_FIELDS_H
#define CHAOS_FIELDS_H

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/protocol/wire.h"

/* A nested PROTO_VM; reads the CPU time from Xen. */
void fields_vm(struct wire_out *w, struct vm *vm);
void fields_vm_info(struct wire_out *w, const struct vm_info *i);
/* A nested PROTO_VM for a domain of another toolstack. */
void fields_foreign(struct wire_out *w, const struct xen_domain_info *d, const char *name);
/* A nested PROTO_FLAVOR. */
void fields_flavor(struct wire_out *w, const struct pool_flavor *f);

struct save_needs;
void fields_needs(struct wire_out *w, const struct save_needs *n);

struct stream_stats;
/* The numbers of a save or restore, as fields of the frame itself. */
void fields_stream(struct wire_out *w, const struct stream_stats *s);

struct snapshot;
struct snapshots;
/* A nested PROTO_SNAPSHOT; its parent is looked up in `all`. */
void fields_snapshot(struct wire_out *w, const struct snapshots *all, const struct snapshot *x);

/* A nested PROTO_DEVICE. */
void fields_device(struct wire_out *w, const struct device_info *d);

#endif
