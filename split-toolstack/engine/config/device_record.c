/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices as bytes of a record: a fixed part, followed by the path. The kind fills both. */
#include "split-toolstack/engine/config/device_record.h"

#include <stdlib.h>
#include <string.h>

#include "split-toolstack/engine/config/device_config_ops.h"

/* Flags of all kinds: the number of the backend, 0 to 3. */
#define BACKEND_SHIFT 4
#define BACKEND_BITS  3u

_Static_assert(DEVICE_BACKENDS <= BACKEND_BITS + 1u, "numbers of all backends");

size_t device_record_bytes(const struct device_config *d)
{
	char text[DEVICE_PATH_MAX];
	const char *path = device_config_ops[d->kind]->record_path(d, text);

	return sizeof(struct device_record) + (path ? strlen(path) : 0);
}

uint8_t *device_record_put(uint8_t *to, const struct device_config *d)
{
	char text[DEVICE_PATH_MAX];
	const char *path = device_config_ops[d->kind]->record_path(d, text);
	struct device_record r = {
		.kind = d->kind, .id = d->devid, .path_bytes = path ? (uint32_t)strlen(path) : 0};

	device_config_ops[d->kind]->record_put(&r, d);
	r.flags |= (uint32_t)d->backend << BACKEND_SHIFT;
	memcpy(to, &r, sizeof(r));
	to += sizeof(r);
	if (path)
		memcpy(to, path, r.path_bytes);
	return to + r.path_bytes;
}

bool device_record_get(const uint8_t **at, const uint8_t *end, struct device_config *d)
{
	struct device_record r;

	device_config_init(d, DEVICE_VIF);
	if ((size_t)(end - *at) < sizeof(r))
		return false;
	memcpy(&r, *at, sizeof(r));
	if (r.kind >= DEVICE_KINDS || r.path_bytes > DEVICE_PATH_MAX ||
	    r.path_bytes > (size_t)(end - *at) - sizeof(r))
		return false;
	*at += sizeof(r);
	device_config_init(d, (enum device_kind)r.kind);
	d->devid = r.id;
	if ((r.flags >> BACKEND_SHIFT & BACKEND_BITS) >= DEVICE_BACKENDS)
		return false;
	d->backend = (enum device_backend)(r.flags >> BACKEND_SHIFT & BACKEND_BITS);
	if (!device_config_ops[r.kind]->record_get(&r, d))
		return false;
	if (r.path_bytes) {
		char *text = strndup((const char *)*at, r.path_bytes);
		bool good = text && device_config_ops[r.kind]->record_set_path(d, text);

		free(text);
		if (!good)
			return false;
	}
	*at += r.path_bytes;
	return true;
}
