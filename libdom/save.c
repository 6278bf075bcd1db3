/* SPDX-License-Identifier: BSD-3-Clause */
/* Saving and restoring noxs guests. */
#include "libdom/save.h"

#include <errno.h>

#include <noxs/abi.h>

#include "base/shared.h"

int save_check(const volatile void *control, struct err *e)
{
	const volatile struct noxs_control *c = control;

	if (shared_load(&c->can) & NOXS_CAN_SAVE)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "its image cannot be saved: it does not say that it can live on elsewhere "
		       "(noxs(7))");
}

bool save_can_suspend(const volatile void *control)
{
	const volatile struct noxs_control *c = control;

	return (shared_load(&c->can) & NOXS_CAN_SUSPEND) != 0;
}

static int not_yet(struct err *e)
{
	return err_set(e, EOPNOTSUPP, "this version cannot save or restore VMs");
}

int save_write(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct err *e)
{
	(void)x;
	(void)from;
	(void)owner;
	(void)owner_bytes;
	(void)to;
	*st = (struct save_stats){0};
	return not_yet(e);
}

int save_open(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e)
{
	(void)x;
	(void)from;
	*out = NULL;
	return not_yet(e);
}

const struct save_info *save_info(const struct save_stream *s)
{
	(void)s;
	return NULL;
}

void save_spec(const struct save_stream *s, struct dom_spec *spec)
{
	(void)s;
	(void)spec;
}

int save_verify(struct save_stream *s, struct err *e)
{
	(void)s;
	return not_yet(e);
}

int save_restore(struct xen *x, struct save_stream *s, struct dom *d, struct save_stats *st,
		 struct err *e)
{
	(void)x;
	(void)s;
	(void)d;
	*st = (struct save_stats){0};
	return not_yet(e);
}

void save_close(struct save_stream *s)
{
	(void)s;
}
