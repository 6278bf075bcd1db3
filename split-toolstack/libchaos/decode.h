/* SPDX-License-Identifier: BSD-3-Clause */
/* Converts fields of frames into libchaos' structures; also used by chaos. */
#ifndef CHAOS_DECODE_H
#define CHAOS_DECODE_H

#include "split-toolstack/libchaos/chaos.h"
#include "split-toolstack/protocol/wire.h"

/* False if the frame has none. */
bool decode_vm(const struct wire_in *in, struct chaos_vm *v);
bool decode_flavor(const struct wire_in *in, struct chaos_flavor *f);
bool decode_image(const struct wire_in *in, struct chaos_image *i);
bool decode_snapshot(const struct wire_in *in, struct chaos_snapshot *s);
/* The nth device in the frame. */
bool decode_device(const struct wire_in *in, uint32_t i, struct chaos_device *d);
/* Decodes a whole frame; texts and data stay in the frame. */
void decode_reply(const struct wire_in *in, struct chaos_reply *r);
void decode_host(const struct wire_in *in, struct chaos_host *h);

#endif
