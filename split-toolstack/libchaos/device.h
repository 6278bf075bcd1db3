/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of devices as clients name and show them: one table for chaos and the HTTP API. */
#ifndef CHAOS_DEVICE_H
#define CHAOS_DEVICE_H

#include <jansson.h>

#include "split-toolstack/libchaos/chaos.h"

struct device_words {
	const char *kind;    /* in the protocol: "vif" */
	const char *word;    /* key of a VM's file and of an attach: "disk" */
	const char *prefix;  /* what the API's address of a device has before its id; may be "" */
	const char *example; /* value of an attach */
	void (*json)(const struct chaos_device *d, json_t *j); /* adds its own members */
};

/* A row for each kind; the last one, which has no `kind`, ends the table. */
extern const struct device_words device_words[];
/* NULL: there is none. */
const struct device_words *device_by_word(const char *word);
json_t *device_json(const struct chaos_device *d);

#endif
