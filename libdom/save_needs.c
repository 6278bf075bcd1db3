/* SPDX-License-Identifier: BSD-3-Clause */
/* Which CPU features a guest from another host needs. */
#include <errno.h>

#include <noxs/abi.h>

#include "base/shared.h"
#include "libdom/save_stream.h"

_Static_assert(SAVE_NEEDS_MAX == SAVE_FEATURES_MAX, "words of features");

static uint32_t vendor(void)
{
	return cpu_is_amd() ? SAVE_VENDOR_AMD : SAVE_VENDOR_INTEL;
}

int save_needs(struct xen *x, enum dom_type type, const volatile void *control,
	       struct save_needs *out, struct err *e)
{
	const volatile struct noxs_control *c = control;
	int n;

	*out = (struct save_needs){.vendor = vendor()};
	if (c && shared_load(&c->can) & NOXS_CAN_PLAIN)
		return 0;
	n = xen_cpu_features(x, type == DOM_PVH, SAVE_NEEDS_MAX, out->feature);
	if (n < 0)
		return err_sys(e, -n, "read the features of this host's CPUs from Xen");
	out->words = (uint32_t)n;
	return 0;
}

int save_check_needs(struct xen *x, enum dom_type type, const struct save_needs *needs,
		     struct err *e)
{
	uint32_t have[SAVE_NEEDS_MAX] = {0};
	int n;

	if (type == DOM_PVH && needs->vendor != vendor())
		return err_set(e, EOPNOTSUPP,
			       "a PVH guest that was saved on a CPU of %s cannot run on this one",
			       needs->vendor == SAVE_VENDOR_AMD ? "AMD" : "Intel");
	if (needs->words == 0)
		return 0;
	n = xen_cpu_features(x, type == DOM_PVH, SAVE_NEEDS_MAX, have);
	if (n < 0)
		return err_sys(e, -n, "read the features of this host's CPUs from Xen");
	for (uint32_t i = 0; i < needs->words; i++)
		if (needs->feature[i] & ~have[i])
			return err_set(
				e, EOPNOTSUPP,
				"this CPU lacks features of the one it was saved on (word %u "
				"of them: 0x%x)",
				i, needs->feature[i] & ~have[i]);
	return 0;
}
