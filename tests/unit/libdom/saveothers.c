/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves and restores while others interfere, and guests that a restore could not make again. */
#include "tests/unit/libdom/save_help.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/hvm/save.h>

static const struct way pv = {DOM_PV, true, false, false, false};
static const struct way pvh = {DOM_PVH, true, false, false, false};

/* Between check and restore another holder of the file moves its offset, or changes a page: a small
 * file has been read by then. */
static void changes_after_check(void **state)
{
	for (int i = 0; i < 4; i++) {
		bool change = i % 2;
		bool small = i < 2;
		int fd = memfd_create("saved", MFD_CLOEXEC);
		struct dom_spec spec = {.cap = UINT32_MAX};
		struct save_stream *s;
		struct save_stats st;
		struct transfer t;
		struct err e = {0};
		struct guest a;
		struct dom d;
		off_t size;
		int rc;

		(void)state;
		guest_pages = small ? PAGES : 1024;
		live(&a, &pvh);
		assert_int_equal(save(&a, fd, &st, NULL), 0);
		size = lseek(fd, 0, SEEK_CUR);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		assert_int_equal(open_stream(fd, &t, &s, &e), 0);
		save_spec(s, &spec);
		assert_int_equal(dom_prepare(x, &spec, NULL, &d, &e), 0);
		if (change)
			assert_int_equal(pwrite(fd, "\xee", 1, size - 100), 1);
		else
			assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
		rc = save_restore(x, s, &d, &st, &e);
		assert_int_equal(rc, change && !small ? -EPROTO : 0);
		if (rc < 0)
			assert_non_null(strstr(e.msg, "checksum of its pages"));
		else
			assert_int_equal(lseek(fd, 0, SEEK_CUR), size);
		save_close(s);
		transfer_close(&t);
		(void)dom_destroy(x, &d, NULL);
		end(&a);
		(void)close(fd);
	}
	guest_pages = PAGES;
}

/* Its pages lie elsewhere than a restore would put them. */
static void laid_out_in_another_way(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		int fd = memfd_create("saved", MFD_CLOEXEC);
		struct save_stats st;
		struct err e = {0};
		struct guest g;

		(void)state;
		live(&g, i ? &pvh : &pv);
		g.d.dev_frame--;
		assert_int_equal(save(&g, fd, &st, &e), -EOPNOTSUPP);
		g.d.dev_frame++;
		g.d.control_frame++;
		assert_int_equal(save(&g, fd, &st, &e), -EOPNOTSUPP);
		assert_non_null(strstr(e.msg, "lay out"));
		assert_int_equal(lseek(fd, 0, SEEK_END), 0);
		end(&g);
		(void)close(fd);
	}
}

struct meddler {
	uint32_t domid;
	int fd;
	bool stays;
};

/* Lets the domain run while its pages are on the way: a pipe holds only some of them. */
static void *let_run(void *arg)
{
	const struct meddler *m = arg;
	uint8_t buf[PAGE];

	assert_int_equal(read(m->fd, buf, 1), 1);
	assert_int_equal(xen_domain_unpause(x, m->domid), 0);
	if (!m->stays)
		assert_int_equal(xen_domain_pause(x, m->domid), 0);
	while (read(m->fd, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static void ran_meanwhile(void **state)
{
	for (int stays = 0; stays < 2; stays++) {
		struct save_stats st;
		struct err e = {0};
		struct meddler m;
		pthread_t thread;
		struct guest g;
		int p[2];

		(void)state;
		live(&g, &pvh);
		assert_int_equal(pipe2(p, O_CLOEXEC), 0);
		assert_int_equal(fcntl(p[1], F_SETPIPE_SZ, PAGE), PAGE);
		m = (struct meddler){g.d.domid, p[0], stays == 1};
		assert_int_equal(pthread_create(&thread, NULL, let_run, &m), 0);
		assert_int_equal(save(&g, p[1], &st, &e), -EBUSY);
		assert_non_null(strstr(e.msg, "ran while"));
		(void)close(p[1]);
		(void)pthread_join(thread, NULL);
		(void)close(p[0]);
		end(&g);
	}
}

/* All its memory as page tables would have to be copied. */
static void too_many_tables(void **state)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);
	struct save_stats st;
	struct err e = {0};
	struct guest g;

	(void)state;
	guest_pages = 200;
	live(&g, &pv);
	fake_all_tables(true);
	assert_int_equal(save(&g, fd, &st, &e), -EOPNOTSUPP);
	fake_all_tables(false);
	guest_pages = PAGES;
	assert_non_null(strstr(e.msg, "at most"));
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	end(&g);
	(void)close(fd);
}

/* --- Xen's records of a PVH domain --- */

static uint32_t add(uint8_t *to, uint32_t at, uint16_t code, uint16_t vcpu, uint32_t bytes)
{
	struct hvm_save_descriptor d = {.typecode = code, .instance = vcpu, .length = bytes};

	memcpy(to + at, &d, sizeof(d));
	memset(to + at + sizeof(d), 0, bytes);
	return at + (uint32_t)sizeof(d) + bytes;
}

/* HEADER, or what stands there, then another record, then END. */
static bool chain(uint16_t first, uint32_t bytes, uint16_t second, uint16_t vcpu)
{
	uint8_t c[256];
	uint32_t n = add(c, 0, first, 0, bytes);

	n = add(c, n, second, vcpu, 8);
	n = add(c, n, HVM_SAVE_CODE(END), 0, 0);
	return save_is_chain(c, n, 2);
}

static void records(void **state)
{
	const uint16_t head = HVM_SAVE_CODE(HEADER);
	const uint32_t size = HVM_SAVE_LENGTH(HEADER);
	uint8_t c[64];

	(void)state;
	assert_true(chain(head, size, HVM_SAVE_CODE(LAPIC), 0));
	assert_true(chain(head, size, CPU_XSAVE_CODE, 1));
	assert_false(chain(head, size, CPU_XSAVE_CODE, 2));
	assert_false(chain(head, size, head, 0));
	assert_false(chain(head, size + 1, HVM_SAVE_CODE(LAPIC), 0));
	assert_false(chain(HVM_SAVE_CODE(CPU), size, HVM_SAVE_CODE(LAPIC), 0));
	assert_false(chain(head, size, HVM_SAVE_CODE(PIT), 0));
	assert_false(chain(head, size, HVM_SAVE_CODE(VIRIDIAN_DOMAIN), 0));
	assert_false(chain(head, size, 0x100, 0));
	assert_false(save_is_chain(c, add(c, 0, HVM_SAVE_CODE(END), 0, 0), 2));
	assert_false(save_is_chain(c, 0, 2));
}

/* --- pages that others write --- */

struct writer {
	struct guest *g;
	int fd, rc;
	struct err e;
};

static void *write_it(void *arg)
{
	struct writer *w = arg;
	struct save_stats st;

	w->rc = save(w->g, w->fd, &st, &w->e);
	(void)close(w->fd);
	return NULL;
}

/* A backend fills a page of the guest while the stream is being written: the stream is whole. */
static void is_written_by_others(void **state)
{
	int fd = memfd_create("saved", MFD_CLOEXEC);
	struct guest a;
	struct guest b;
	struct writer wr = {.g = &a};
	struct pollfd room = {.events = POLLOUT};
	uint8_t buf[1000];
	pthread_t thread;
	struct err e = {0};
	ssize_t n;
	int p[2];

	(void)state;
	live(&a, &pvh);
	assert_int_equal(pipe(p), 0);
	wr.fd = p[1];
	room.fd = p[1];
	assert_int_equal(pthread_create(&thread, NULL, write_it, &wr), 0);
	/* until the pipe has no more room: the rest is written when it is read */
	while (poll(&room, 1, 0) > 0 && room.revents == POLLOUT)
		(void)sched_yield();
	for (uint64_t gfn = 4; gfn < UNUSED; gfn++) {
		uint8_t *page = fake_page(a.d.domid, gfn);

		memset(page + 100, 0xee, 50);
		(void)munmap(page, PAGE);
	}
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		assert_int_equal(write(fd, buf, (size_t)n), n);
	(void)pthread_join(thread, NULL);
	(void)close(p[0]);
	assert_int_equal(wr.rc, 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	if (restore(fd, &b, &pvh, &e) < 0)
		fail_msg("%s", e.msg);
	end(&a);
	end(&b);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAVE(changes_after_check),     SAVE(is_written_by_others),
		SAVE(laid_out_in_another_way), SAVE(ran_meanwhile),
		SAVE(too_many_tables),	       SAVE(records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
