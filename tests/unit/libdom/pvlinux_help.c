/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/libdom/pvlinux_help.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct xen *x;
const char owner[17] = "an owner's bytes";

void live(struct dom *d)
{
	const struct dom_spec spec = {.type = DOM_PV,
				      .mem_kib = PAGES * 4,
				      .vcpus = 1,
				      .cap = UINT32_MAX,
				      .for_linux = true};

	assert_int_equal(dom_prepare(x, &spec, NULL, d, NULL), 0);
	dom_release(d);
	for (uint64_t i = 0; i < PAGES; i++)
		fill(d->domid, i, (int)(i % 251 + 1));
}

int save(const struct dom *d, int fd, struct save_stats *st, struct err *e)
{
	const struct save_source from = {
		.domid = d->domid, .type = DOM_PV, .vcpus = 1, .pages = PAGES, .linux_guest = true};
	struct transfer t;
	int rc = transfer_open(&t, dup(fd), true, e);

	*e = (struct err){0};
	if (rc == 0)
		rc = save_write(x, &from, owner, sizeof(owner), &t, st, e);
	transfer_close(&t);
	assert_true(rc == 0 || e->msg[0]);
	return rc;
}

int restore(int fd, struct dom *d, struct save_stats *st, struct err *e)
{
	struct dom_spec spec = {.cap = UINT32_MAX};
	struct save_stream *s = NULL;
	struct transfer t;
	int rc = transfer_open(&t, dup(fd), false, e);

	*e = (struct err){0};
	dom_init(d);
	if (rc == 0)
		rc = save_open(x, &t, &s, e);
	if (rc == 0)
		rc = save_verify(s, e);
	if (rc == 0) {
		assert_true(save_info(s)->linux_guest);
		save_spec(s, &spec);
		rc = dom_prepare(x, &spec, NULL, d, e);
	}
	if (rc == 0)
		rc = save_restore(x, s, d, st, e);
	save_close(s);
	transfer_close(&t);
	if (rc < 0)
		(void)dom_destroy(x, d, NULL);
	assert_true(rc == 0 || e->msg[0]);
	return rc;
}

int new_file(void)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

int saved(struct dom *d)
{
	struct save_stats st;
	struct err e;
	int fd = new_file();

	live(d);
	assert_int_equal(save(d, fd, &st, &e), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

void end(struct dom *d, int fd)
{
	(void)dom_destroy(x, d, NULL);
	(void)close(fd);
}
