/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's end of the ring: pages that the kernel's gntalloc grants to the host. Without that
 * driver all goes through the channel. There is no event channel: a kernel that was restored ends
 * what closes one that it had before. */
#include "guests/linux/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define DEVICE	"/dev/xen/gntalloc"
#define HOST	0 /* domain id of what the pages are granted to */
#define ALL	(RING_ALL * RING_PAGE)
#define OFFER	(12 + 4 * RING_ALL) /* bytes of LINK_RING */
#define RESERVE 16384u		    /* of the ring, which output leaves for other messages */

/* Linux include/uapi/xen/gntalloc.h */
struct alloc_grants {
	uint16_t domid, flags;
	uint32_t count;
	uint64_t index;
	uint32_t refs[RING_ALL + 1];
};
#define ALLOC_WRITABLE 1
#define ALLOC_GRANTS   _IOC(_IOC_NONE, 'G', 5, 24)

enum { NONE, ASKED, OFFERED, TAKEN };

static struct ring ring;
static void *pages = MAP_FAILED;
static int device = -1;
static int step;
static bool look;
static uint32_t number;		   /* of the host's last request */
static bool again;		   /* the host has lost it, and has */
static uint32_t done_out, done_in; /* taken and sent so much */

/* --- it begins and ends --- */

/* Pages that the host still has are freed when it has not. */
static void drop(void *at, int fd)
{
	if (at != MAP_FAILED)
		(void)munmap(at, ALL);
	if (fd >= 0)
		(void)close(fd);
}

void ring_close(void)
{
	agent_link.ring = NULL;
	step = NONE;
	again = false;
	drop(pages, device);
	pages = MAP_FAILED;
	device = -1;
}

/* Other pages; what is to be said of them. */
static bool allocate(uint8_t *b)
{
	struct alloc_grants a = {.domid = HOST, .flags = ALLOC_WRITABLE, .count = RING_ALL};

	link_put32(b, number);
	pages = MAP_FAILED;
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device >= 0 && ioctl(device, ALLOC_GRANTS, &a) == 0)
		pages = mmap(NULL, ALL, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)a.index);
	if (pages == MAP_FAILED)
		return false;
	memset(pages, 0, RING_PAGE);
	link_put32(b + 4, RING_VERSION);
	link_put32(b + 8, RING_PAGES);
	for (uint32_t i = 0; i < RING_ALL; i++)
		link_put32(b + 12 + 4 * i, a.refs[i]);
	return true;
}

static void offer(void)
{
	uint8_t b[OFFER];
	bool there;

	ring_close();
	there = allocate(b);
	if (there)
		ring_init(&ring, pages, false);
	else
		ring_close();
	step = there ? OFFERED : NONE;
	(void)link_send(&agent_link, LINK_RING, 0, b, there ? sizeof(b) : 4);
}

/* The VM was restored: its bytes are in the pages of before, its grants are gone. */
static void offer_again(void)
{
	void *old = pages;
	int old_device = device;
	uint8_t b[OFFER];
	bool there;

	link_put32(b, number);
	agent_link.ring = NULL;
	again = !link_has_room(&agent_link, OFFER);
	agent_link.ring = &ring;
	if (again)
		return;
	there = ring.out.at - done_out <= RING_SIZE && done_in - ring.in.at <= RING_SIZE &&
		allocate(b);
	if (there) {
		struct ring_half *half = pages;

		memcpy((uint8_t *)pages + RING_PAGE, (uint8_t *)old + RING_PAGE, ALL - RING_PAGE);
		half[0].prod = ring.out.at;
		half[0].cons = done_out;
		half[1].prod = done_in;
		half[1].cons = ring.in.at;
		ring_move(&ring, pages);
		drop(old, old_device);
	}
	agent_link.ring = NULL;
	(void)link_send(&agent_link, LINK_RING, 0, b, there ? sizeof(b) : 4);
	agent_link.ring = &ring;
	look = true;
}

static void take(void)
{
	(void)link_send(&agent_link, LINK_RING_USED, 0, NULL, 0);
	step = NONE;
	agent_link.ring = &ring;
	look = true;
	for (int i = 0; i < (int)LINK_SESSIONS; i++)
		if (agent_session[i].running)
			agent_session[i].in_owed += RING_STREAM - LINK_STREAM;
}

void ring_message(uint8_t type, const uint8_t *data, size_t len)
{
	if (type == LINK_RING_USE) {
		step = step == OFFERED ? TAKEN : step;
		return;
	}
	if (len != (type == LINK_RING_ASK ? 4 : 12) || (type == LINK_RING_ASK && agent_link.ring))
		return;
	number = link_get32(data);
	if (!agent_link.ring && step != TAKEN) {
		step = ASKED;
		return;
	}
	again = true;
	done_out = link_get32(data + 4);
	done_in = link_get32(data + 8);
}

void ring_bell(void)
{
	look = true;
}

/* --- its records --- */

/* A process that reads or writes much does so in few turns. */
static void widen(struct session *x)
{
	if (x->wide || x->terminal)
		return;
	x->wide = true;
	if (x->in >= 0)
		(void)fcntl(x->in, F_SETPIPE_SZ, (int)RING_SIZE);
	if (x->out >= 0)
		(void)fcntl(x->out, F_SETPIPE_SZ, (int)RING_SIZE);
}

/* Input of a process goes to it from the ring; what it does not take at once is kept. */
static void take_input(const struct ring_record *rec)
{
	struct session *x = &agent_session[rec->session % LINK_SESSIONS];
	uint8_t *kept;
	ssize_t n = 0;

	if (rec->session >= LINK_SESSIONS || !x->running || x->in < 0 || x->in_end)
		return;
	widen(x);
	if (x->input_len == 0)
		n = writev(x->in, rec->data, 2);
	n = n < 0 ? 0 : n; /* what is wrong is seen when the rest is written */
	x->in_owed += (uint32_t)n;
	kept = (uint32_t)n < rec->len ? session_keep_input(x, rec->len - (size_t)n) : NULL;
	if (kept)
		ring_copy(kept, rec, (uint32_t)n, rec->len - (uint32_t)n);
}

void ring_serve(void)
{
	uint8_t bytes[LINK_MESSAGE];
	struct ring_record rec;

	if (step == ASKED && link_has_room(&agent_link, OFFER))
		offer();
	if (step == TAKEN && link_has_room(&agent_link, 0))
		take();
	if (again && agent_link.ring)
		offer_again();
	while (look && agent_link.ring) {
		if (ring_next(&ring, &rec) <= 0) {
			look = !ring_sleeps_for_data(&ring) && !ring.broken;
			continue;
		}
		if (rec.type == LINK_INPUT) {
			take_input(&rec);
		} else if (rec.len <= sizeof(bytes)) {
			ring_copy(bytes, &rec, 0, rec.len);
			agent_link.ops->message(NULL, rec.type, rec.session, bytes, rec.len);
		}
		if (ring_release(&ring, &rec))
			link_bell(&agent_link);
	}
	if (agent_link.ring && !ring_has_room())
		(void)ring_sleeps_for_room(&ring, RESERVE + RING_HEAD);
}

bool ring_has_room(void)
{
	return ring_room(&ring) > RESERVE;
}

ssize_t ring_read(int fd, uint8_t type, uint8_t session, uint32_t most)
{
	uint32_t room = ring_room(&ring);
	struct iovec to[2];
	ssize_t n;

	widen(&agent_session[session]);
	room = room > RESERVE ? room - RESERVE : 0;
	most = (uint32_t)ring_place(&ring, most < room ? most : room, to);
	errno = EAGAIN;
	n = most ? readv(fd, to, 2) : -1;
	if (n > 0 && ring_commit(&ring, type, session, (uint32_t)n))
		link_bell(&agent_link);
	return n;
}
