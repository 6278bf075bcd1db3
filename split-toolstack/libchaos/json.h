/* SPDX-License-Identifier: BSD-3-Clause */
/* Converts libchaos' structures into JSON, for chaos --json and the HTTP API. */
#ifndef CHAOS_JSON_H
#define CHAOS_JSON_H

#include <jansson.h>

#include "split-toolstack/libchaos/chaos.h"

/* A string of any bytes: invalid UTF-8 (in paths and command lines) is replaced by U+FFFD. NULL:
 * out of memory. */
json_t *text_json(const char *text);
/* Adds a member to an object; an empty text adds none. */
void json_set_text(json_t *j, const char *key, const char *value);
void json_set_number(json_t *j, const char *key, uint64_t n);
json_t *vm_json(const struct chaos_vm *v);
json_t *flavor_json(const struct chaos_flavor *f);
json_t *image_json(const struct chaos_image *i);
json_t *snapshot_json(const struct chaos_snapshot *s);
json_t *host_json(const struct chaos_host *h);
/* v or f is NULL. */
json_t *event_json(uint64_t id, const char *event, uint64_t when_ns, const struct chaos_vm *v,
		   const struct chaos_flavor *f);

#endif
