/* SPDX-License-Identifier: BSD-3-Clause */
/* Nested fields of frames as libchaos' structures; chaos uses it, too. */
#ifndef CHAOS_DECODE_H
#define CHAOS_DECODE_H

#include "split-toolstack/libchaos/chaos.h"
#include "split-toolstack/protocol/wire.h"

/* False when the frame has none. */
bool decode_vm(const struct wire_in *in, struct chaos_vm *v);
bool decode_flavor(const struct wire_in *in, struct chaos_flavor *f);
bool decode_image(const struct wire_in *in, struct chaos_image *i);
bool decode_snapshot(const struct wire_in *in, struct chaos_snapshot *s);
/* Number i of those in the frame. */
bool decode_device(const struct wire_in *in, uint32_t i, struct chaos_device *d);
/* A whole frame; texts and data lie in it. */
void decode_reply(const struct wire_in *in, struct chaos_reply *r);
void decode_host(const struct wire_in *in, struct chaos_host *h);

#endif
