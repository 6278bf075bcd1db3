/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of devices: their words and their JSON. */
#include "split-toolstack/libchaos/device.h"

#include <string.h>

#include "split-toolstack/libchaos/json.h"

static void vif_json(const struct chaos_device *d, json_t *j)
{
	json_set_text(j, "mac", d->mac);
	(void)json_object_set_new(j, "bridge", *d->bridge ? text_json(d->bridge) : json_null());
	json_set_text(j, "ifname", d->ifname);
	json_set_text(j, "netns", d->netns);
	json_set_text(j, "peer", d->peer);
	json_set_number(j, "mtu", d->mtu);
	json_set_text(j, "ip", d->ip);
	if (d->rate_bytes) {
		json_set_number(j, "rate_bytes", d->rate_bytes);
		json_set_number(j, "rate_us", d->rate_us);
	}
}

static void vbd_json(const struct chaos_device *d, json_t *j)
{
	json_set_text(j, "path", d->path);
	(void)json_object_set_new(j, "readonly", json_boolean(d->readonly));
	(void)json_object_set_new(j, "cdrom", json_boolean(d->cdrom));
	json_set_number(j, "bytes", d->sectors * 512);
}

const struct device_words device_words[] = {
	{"vif", "vif", "vif", "bridge=xenbr0", vif_json},
	{"vbd", "disk", "", "/dev/vg/data,raw,xvdb,rw", vbd_json},
	{0},
};

const struct device_words *device_by_word(const char *word)
{
	for (const struct device_words *k = device_words; k->kind; k++)
		if (strcmp(k->word, word) == 0)
			return k;
	return NULL;
}

json_t *device_json(const struct chaos_device *d)
{
	json_t *j = json_pack("{s:s,s:o,s:s,s:s}", "kind", d->kind, "id", text_json(d->id), "state",
			      d->state, "backend", d->backend);

	json_set_text(j, "reason", d->reason);
	json_set_number(j, "devid", d->devid);
	for (const struct device_words *k = device_words; k->kind; k++)
		if (strcmp(k->kind, d->kind) == 0)
			k->json(d, j);
	return j;
}
