/* SPDX-License-Identifier: BSD-3-Clause */
/* Removes domains that the last daemon had not finished, as soon as Xen answers. */
#include "split-toolstack/engine/life/half_made.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/registry/registry.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"

/* An unfinished domain whose state could not be read from Xen yet. */
struct half_made {
	struct half_made *next;
	uint8_t uuid[16];
	uint32_t domid;
	bool past; /* the history has its uuid: the record stays */
};

static bool clean(struct engine *en, const struct half_made *h, const struct census *census)
{
	struct xen_domain_info info;
	struct slot slot = {0};
	int rc = census_find(census, engine_xen(en), h->domid, h->uuid, &info);

	if (rc < 0) {
		log_line(LOG_WARN, "op=clean dom=%u: %s; chaosd tries again", h->domid,
			 strerror(-rc));
		return false;
	}
	if (rc == 0) {
		if (!h->past)
			registry_delete(engine_registry(en), h->uuid);
		return true;
	}
	log_line(LOG_INFO, "op=clean dom=%u: the last daemon had not finished it; it is destroyed",
		 h->domid);
	slot_adopt(engine_slots(en), h->domid, &slot);
	domain_drop(en, h->domid, h->uuid, info.pages, &slot, NULL, !h->past);
	return true;
}

void half_made_clean(struct vm *vm, struct half_made **kept, const struct census *census)
{
	struct half_made h = {.domid = vm_was_domid(vm), .past = vm_ended_ns(vm) != 0};
	struct half_made *later;

	memcpy(h.uuid, vm_uuid_bytes(vm), sizeof(h.uuid));
	if (!h.past) /* a guest that waited in the pool has a log */
		console_log_delete(vm);
	if (clean(vm_engine(vm), &h, census))
		return;
	later = malloc(sizeof(*later)); /* without memory the next daemon removes it */
	if (!later)
		return;
	*later = h;
	LL_PREPEND(*kept, later);
}

void half_made_again(struct engine *en, struct half_made **kept)
{
	struct half_made **at = kept;

	while (*at) {
		struct half_made *h = *at;

		if (!clean(en, h, NULL)) {
			at = &h->next;
			continue;
		}
		*at = h->next;
		free(h);
	}
}

bool half_made_has(const struct half_made *kept, const struct xen_domain_info *info)
{
	const struct half_made *h;

	LL_FOREACH(kept, h)
	if (h->domid == info->domid && memcmp(h->uuid, info->uuid, sizeof(h->uuid)) == 0)
		return true;
	return false;
}

void half_made_free(struct half_made **kept)
{
	struct half_made *h;

	while ((h = *kept) != NULL) {
		*kept = h->next;
		free(h);
	}
}
