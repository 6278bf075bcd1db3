/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake: domains with memory in memfds, ports as numbers, one lock around everything. */
#include "base/xen.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/hvm/save.h>

#include "tests/fake/fake.h"

#define DOMAINS	    64u
#define PORTS	    256u
#define FRAMES	    (1u << 16) /* of one domain */
#define SHARED_INFO (FRAMES - 1)
#define PAGE	    4096u

struct xen {
	int fd; /* eventfd: something is pending */
};

struct domain {
	uint32_t id;
	uint8_t uuid[16];
	bool hvm, paused, shutdown;
	uint32_t reason;
	int mem;
	uint32_t guest_ports;
	uint64_t pages;
};

struct port {
	bool used, pending, masked, virq;
	struct xen *x;
	uint32_t domid, remote;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct domain domains[DOMAINS];
static struct port ports[PORTS];
static struct fake_count held;
static uint32_t calls, fail_nth, next_domid = 1;
static int fail_error;
static const char *failed_call;
static uint64_t free_pages = 1u << 20;
static struct xen *first;

static int may_fail(const char *name)
{
	calls++;
	if (fail_nth == 0 || calls != fail_nth)
		return 0;
	failed_call = name;
	return -fail_error;
}

#define ENTER()                                                                                    \
	int rc;                                                                                    \
	(void)pthread_mutex_lock(&lock);                                                           \
	rc = may_fail(__func__);                                                                   \
	if (rc < 0) {                                                                              \
		(void)pthread_mutex_unlock(&lock);                                                 \
		return rc;                                                                         \
	}

static int leave(int rc)
{
	(void)pthread_mutex_unlock(&lock);
	return rc;
}

static struct domain *find(uint32_t id)
{
	for (uint32_t i = 0; i < DOMAINS; i++)
		if (domains[i].id == id && id != 0)
			return &domains[i];
	return NULL;
}

/* --- controls --- */

void fake_count(struct fake_count *out)
{
	(void)pthread_mutex_lock(&lock);
	*out = held;
	(void)pthread_mutex_unlock(&lock);
}

void fake_fail_at(uint32_t nth, int error)
{
	(void)pthread_mutex_lock(&lock);
	calls = 0;
	fail_nth = nth;
	fail_error = error;
	failed_call = NULL;
	(void)pthread_mutex_unlock(&lock);
}

uint32_t fake_calls(void)
{
	return calls;
}

const char *fake_failed(void)
{
	return failed_call;
}

void fake_set_free(uint64_t pages)
{
	free_pages = pages;
}

static void raise_port(struct port *p)
{
	p->pending = true;
	if (!p->masked && p->x)
		(void)eventfd_write(p->x->fd, 1);
}

static void raise_virq(void)
{
	for (uint32_t i = 0; i < PORTS; i++)
		if (ports[i].used && ports[i].virq)
			raise_port(&ports[i]);
}

static void remove_domain(struct domain *d)
{
	(void)close(d->mem);
	held.domains--;
	held.guest_ports -= d->guest_ports;
	held.populated_pages -= (uint32_t)d->pages;
	memset(d, 0, sizeof(*d));
}

void fake_end(uint32_t domid, uint32_t reason)
{
	struct domain *d;

	(void)pthread_mutex_lock(&lock);
	d = find(domid);
	if (d) {
		d->shutdown = true;
		d->reason = reason;
		raise_virq();
	}
	(void)pthread_mutex_unlock(&lock);
}

void fake_vanish(uint32_t domid)
{
	struct domain *d;

	(void)pthread_mutex_lock(&lock);
	d = find(domid);
	if (d)
		remove_domain(d);
	raise_virq();
	(void)pthread_mutex_unlock(&lock);
}

void fake_event(uint32_t domid)
{
	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < PORTS; i++)
		if (ports[i].used && !ports[i].virq && ports[i].domid == domid)
			raise_port(&ports[i]);
	(void)pthread_mutex_unlock(&lock);
}

void *fake_page(uint32_t domid, uint64_t frame)
{
	struct domain *d = find(domid);
	void *at = d ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, d->mem,
			    (off_t)(frame % FRAMES * PAGE))
		     : MAP_FAILED;

	return at == MAP_FAILED ? NULL : at;
}

void fake_process_died(void)
{
	(void)pthread_mutex_lock(&lock);
	memset(ports, 0, sizeof(ports));
	held.ports = 0;
	held.mapped_pages = 0;
	held.handles = 0;
	(void)pthread_mutex_unlock(&lock);
}

void fake_reset(void)
{
	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < DOMAINS; i++)
		if (domains[i].id)
			remove_domain(&domains[i]);
	memset(ports, 0, sizeof(ports));
	memset(&held, 0, sizeof(held));
	calls = fail_nth = 0;
	failed_call = NULL;
	free_pages = 1u << 20;
	(void)pthread_mutex_unlock(&lock);
}

/* --- handles and host --- */

int xen_open(struct xen **out, struct err *e)
{
	struct xen *x;
	int rc;

	*out = NULL;
	(void)pthread_mutex_lock(&lock);
	rc = may_fail(__func__);
	if (rc < 0) {
		(void)leave(0);
		return err_set(e, -rc, "fake: open");
	}
	x = calloc(1, sizeof(*x));
	if (!x)
		abort();
	x->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	held.handles++;
	first = first ? first : x;
	*out = x;
	return leave(0);
}

void xen_close(struct xen *x)
{
	if (!x)
		return;
	(void)pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < PORTS; i++) {
		if (ports[i].used && ports[i].x == x) {
			ports[i] = (struct port){0};
			held.ports--;
		}
	}
	held.handles--;
	(void)close(x->fd);
	free(x);
	(void)leave(0);
}

xc_interface *xen_xc(struct xen *x)
{
	(void)x;
	return NULL;
}

int xen_host_info(struct xen *x, struct xen_host *out)
{
	(void)x;
	*out = (struct xen_host){.free_pages = free_pages,
				 .total_pages = free_pages,
				 .cpus = 2,
				 .cpu_khz = 1000000,
				 .hvm = true,
				 .pv = true,
				 .version = "fake"};
	return 0;
}

int xen_free_pages(struct xen *x, uint64_t *out)
{
	(void)x;
	*out = free_pages;
	return 0;
}

/* --- domains --- */

int xen_domain_create(struct xen *x, const struct xen_domain_config *c, uint32_t *domid)
{
	ENTER();
	(void)x;
	for (uint32_t i = 0; i < DOMAINS; i++) {
		struct domain *d = &domains[i];

		if (d->id)
			continue;
		d->mem = memfd_create("fake-domain", MFD_CLOEXEC);
		if (d->mem < 0 || ftruncate(d->mem, (off_t)FRAMES * PAGE) < 0)
			abort();
		d->id = c->domid ? c->domid : next_domid++;
		memcpy(d->uuid, c->uuid, sizeof(d->uuid));
		d->hvm = c->hvm;
		d->paused = true;
		held.domains++;
		*domid = d->id;
		return leave(0);
	}
	return leave(-ENOMEM);
}

#define ONE_DOMAIN(statement)                                                                      \
	do {                                                                                       \
		struct domain *d;                                                                  \
		ENTER();                                                                           \
		(void)x;                                                                           \
		d = find(domid);                                                                   \
		if (!d)                                                                            \
			return leave(-ESRCH);                                                      \
		statement;                                                                         \
		return leave(0);                                                                   \
	} while (0)

int xen_domain_max_vcpus(struct xen *x, uint32_t domid, uint32_t vcpus)
{
	(void)vcpus;
	ONE_DOMAIN();
}

int xen_domain_max_mem(struct xen *x, uint32_t domid, uint64_t kib)
{
	(void)kib;
	ONE_DOMAIN();
}

int xen_domain_destroy(struct xen *x, uint32_t domid)
{
	struct domain *d;

	(void)x;
	(void)pthread_mutex_lock(&lock);
	d = find(domid);
	if (d)
		remove_domain(d);
	return leave(d ? 0 : -ESRCH);
}

int xen_domain_pause(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN(d->paused = true);
}

int xen_domain_unpause(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN(d->paused = false);
}

int xen_domain_shutdown(struct xen *x, uint32_t domid, uint32_t reason)
{
	ONE_DOMAIN({
		d->shutdown = true;
		d->reason = reason;
	});
}

static void describe(const struct domain *d, struct xen_domain_info *out)
{
	*out = (struct xen_domain_info){.domid = d->id,
					.hvm = d->hvm,
					.paused = d->paused,
					.shutdown = d->shutdown,
					.shutdown_reason = d->reason,
					.vcpus = 1,
					.pages = d->pages,
					.shared_info_mfn = SHARED_INFO};
	memcpy(out->uuid, d->uuid, sizeof(out->uuid));
}

int xen_domain_info(struct xen *x, uint32_t domid, struct xen_domain_info *out)
{
	ONE_DOMAIN(describe(d, out));
}

int xen_domain_list(struct xen *x, uint32_t from, uint32_t max, struct xen_domain_info *out)
{
	uint32_t n = 0;
	ENTER();
	(void)x;
	for (uint32_t id = from; id < next_domid + 1 && n < max; id++) {
		struct domain *d = find(id);

		if (d)
			describe(d, &out[n++]);
	}
	return leave((int)n);
}

int xen_domain_sched(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap)
{
	(void)weight;
	(void)cap;
	ONE_DOMAIN();
}

int xen_vcpu_affinity(struct xen *x, uint32_t domid, uint32_t vcpu, const uint8_t *map, size_t bytes)
{
	(void)vcpu;
	(void)map;
	(void)bytes;
	ONE_DOMAIN();
}

/* --- memory --- */

int xen_populate(struct xen *x, uint32_t domid, uint32_t n, uint32_t order, xen_pfn_t *frames)
{
	(void)frames; /* PV: machine frame = guest frame */
	if ((uint64_t)n << order > free_pages)
		return -ENOMEM;
	ONE_DOMAIN({
		d->pages += (uint64_t)n << order;
		held.populated_pages += n << order;
	});
}

int xen_add_to_physmap(struct xen *x, uint32_t domid, uint32_t space, uint64_t idx, uint64_t gfn)
{
	(void)space;
	(void)idx;
	(void)gfn;
	ONE_DOMAIN();
}

int xen_set_memory_map(struct xen *x, uint32_t domid, const struct e820entry *map, uint32_t n)
{
	(void)map;
	(void)n;
	ONE_DOMAIN();
}

int xen_set_paging_pool(struct xen *x, uint32_t domid, uint64_t bytes)
{
	(void)bytes;
	ONE_DOMAIN();
}

int xen_map(struct xen *x, uint32_t domid, bool writable, uint32_t n, const xen_pfn_t *frames,
	    void **out)
{
	struct domain *d;
	uint8_t *at;

	*out = NULL;
	ENTER();
	(void)x;
	(void)writable;
	d = find(domid);
	if (!d)
		return leave(-ESRCH);
	at = mmap(NULL, (size_t)n * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint32_t i = 0; i < n; i++)
		if (mmap(at + (size_t)i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 d->mem, (off_t)(frames[i] % FRAMES * PAGE)) == MAP_FAILED)
			abort();
	held.mapped_pages += n;
	*out = at;
	return leave(0);
}

void xen_unmap(struct xen *x, void *addr, uint32_t n)
{
	(void)x;
	if (!addr)
		return;
	(void)pthread_mutex_lock(&lock);
	(void)munmap(addr, (size_t)n * PAGE);
	held.mapped_pages -= n;
	(void)leave(0);
}

/* --- vCPUs --- */

int xen_vcpu_context(struct xen *x, uint32_t domid, uint32_t vcpu, vcpu_guest_context_any_t *ctx)
{
	(void)vcpu;
	(void)ctx;
	ONE_DOMAIN();
}

struct context {
	struct hvm_save_descriptor header_d;
	HVM_SAVE_TYPE(HEADER) header;
	struct hvm_save_descriptor mtrr_d;
	HVM_SAVE_TYPE(MTRR) mtrr;
} __attribute__((packed));

int xen_hvm_context_get(struct xen *x, uint32_t domid, void *buf, uint32_t bytes)
{
	struct context c;
	struct domain *d;

	ENTER();
	(void)x;
	d = find(domid);
	memset(&c, 0, sizeof(c));
	c.header_d.typecode = HVM_SAVE_CODE(HEADER);
	c.header_d.length = HVM_SAVE_LENGTH(HEADER);
	c.mtrr_d.typecode = HVM_SAVE_CODE(MTRR);
	c.mtrr_d.length = HVM_SAVE_LENGTH(MTRR);
	if (buf && bytes >= sizeof(c))
		memcpy(buf, &c, sizeof(c));
	return leave(d ? (int)sizeof(c) : -ESRCH);
}

int xen_hvm_context_set(struct xen *x, uint32_t domid, const void *buf, uint32_t bytes)
{
	(void)buf;
	(void)bytes;
	ONE_DOMAIN();
}

int xen_hvm_param_set(struct xen *x, uint32_t domid, uint32_t param, uint64_t value)
{
	(void)param;
	(void)value;
	ONE_DOMAIN();
}

int xen_hvm_param_get(struct xen *x, uint32_t domid, uint32_t param, uint64_t *value)
{
	(void)param;
	ONE_DOMAIN(*value = 0);
}

int xen_pin_l4(struct xen *x, uint32_t domid, uint64_t mfn)
{
	(void)mfn;
	ONE_DOMAIN();
}

int xen_cpuid_default(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN();
}

int xen_tsc_default(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN();
}

/* --- event channels --- */

int xen_evtchn_alloc(struct xen *x, uint32_t domid, uint32_t remote, uint32_t *port)
{
	(void)remote;
	ONE_DOMAIN({
		*port = ++d->guest_ports;
		held.guest_ports++;
	});
}

int xen_evtchn_fd(struct xen *x)
{
	return x->fd;
}

static int new_port(struct xen *x, struct port p, uint32_t *out)
{
	for (uint32_t i = 1; i < PORTS; i++) {
		if (ports[i].used)
			continue;
		ports[i] = p;
		ports[i].used = true;
		ports[i].x = x;
		held.ports++;
		*out = i;
		return 0;
	}
	return -ENOSPC;
}

int xen_evtchn_bind(struct xen *x, uint32_t domid, uint32_t remote_port, uint32_t *port)
{
	ENTER();
	rc = find(domid) ? new_port(x, (struct port){.domid = domid, .remote = remote_port}, port)
			 : -ESRCH;
	if (rc == 0)
		raise_port(&ports[*port]); /* as Xen does at every bind */
	return leave(rc);
}

int xen_evtchn_bind_virq(struct xen *x, uint32_t virq, uint32_t *port)
{
	ENTER();
	(void)virq;
	return leave(new_port(x, (struct port){.virq = true}, port));
}

int xen_evtchn_unbind(struct xen *x, uint32_t port)
{
	(void)x;
	(void)pthread_mutex_lock(&lock);
	if (port < PORTS && ports[port].used) {
		ports[port] = (struct port){0};
		held.ports--;
	}
	return leave(0);
}

int xen_evtchn_notify(struct xen *x, uint32_t port)
{
	ENTER();
	(void)x;
	return leave(port < PORTS && ports[port].used ? 0 : -ENOENT);
}

int xen_evtchn_pending(struct xen *x, uint32_t *port)
{
	eventfd_t value;

	(void)pthread_mutex_lock(&lock);
	(void)eventfd_read(x->fd, &value);
	for (uint32_t i = 1; i < PORTS; i++) {
		if (!ports[i].used || ports[i].x != x || !ports[i].pending || ports[i].masked)
			continue;
		ports[i].pending = false;
		ports[i].masked = true;
		*port = i;
		(void)eventfd_write(x->fd, 1); /* there may be more */
		return leave(0);
	}
	return leave(-EAGAIN);
}

int xen_evtchn_unmask(struct xen *x, uint32_t port)
{
	(void)x;
	(void)pthread_mutex_lock(&lock);
	ports[port].masked = false;
	if (ports[port].pending)
		raise_port(&ports[port]);
	return leave(0);
}
