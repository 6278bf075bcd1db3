/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool: domains made before anybody asks, refilled when nobody does. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"

/* Refilling waits until nobody has asked for so long: it must not run into the next request, nor
 * keep the CPU from the guest that was just started. Between two shells there is a gap. */
#define REFILL_QUIET_S 0.005
#define REFILL_GAP_S   0.0005
#define TRIM_AT_ONCE   4u
#define HEAP_AHEAD     (64u << 10)
/* After a failure (no memory, no image) a flavor waits. */
#define RETRY_S	    2.0
#define BACKOFF_MAX 31u /* ... times this at the most, when it goes on failing */
/* So long after the last claim a target that demand had raised begins to sink: a quarter at a time.
 */
#define SINK_S 10.0

const char *vm_way_name(enum vm_way w)
{
	static const char *const name[] = {"cold", "shell", "warm"};

	return name[w];
}

/* --- making and ending shells --- */

/* One shell on its way, on the loop or on the worker. */
struct shell_job {
	struct worker_job job;
	struct engine *en;
	struct flavor *flavor; /* NULL: ended in the meantime */
	struct dom_spec spec;
	struct shell *shell;
	uint32_t window;	  /* pages to keep mapped, without an image and for Linux */
	int image_fd, ramdisk_fd; /* -1: not needed */
	struct files *files;	  /* both, until they are open */
	int rc;
	struct err err;
};

/* What is recorded of a shell: an intent, which the next start removes with its domain. */
static int record_intent(struct engine *en, const struct shell *s, struct err *e)
{
	struct vm *vm = vm_new(en);
	int rc;

	if (!vm)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(vm->uuid, s->uuid, sizeof(vm->uuid));
	vm->state = VM_BUILDING;
	vm->slot.domid = s->slot.domid;
	rc = registry_put(vm, e);
	vm_free(vm);
	return rc;
}

void shell_end(struct engine *en, struct shell *s)
{
	drop_note(en, s->dom.domid, s->uuid);
	if (s->map)
		xen_unmap(en->x, s->map, 2);
	window_close(en, &s->dom);
	dom_release(&s->dom);
	devices_drop(&s->devices);
	if (s->dom.domid)
		domain_drop(en, s->dom.domid, s->uuid, s->dom.pages, &s->slot, true);
	else
		slot_put(en, &s->slot);
	image_put(s->img);
	free(s);
}

int flavor_check_image(const struct image *img, struct err *e)
{
	const struct image_info *i = image_info(img);

	if (i->direct || i->builder == IMAGE_LINUX)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "image \"%s\": only images with a noxs entry, and Linux, can be pooled",
		       i->name);
}

/* The long part; thread-safe. */
static void build_shell(struct worker_job *job, struct xen *x)
{
	struct shell_job *j = (struct shell_job *)job;
	struct dom_module ramdisk = {j->ramdisk_fd, "ramdisk"};
	struct dom_load load = {.cmdline = "",
				.module = &ramdisk,
				.nmodule = j->ramdisk_fd >= 0,
				.cmdline_room = VM_CMDLINE_MAX + 1};
	struct shell *s = j->shell;

	j->rc = dom_prepare(x, &j->spec, s->img, &s->dom, &j->err);
	if (j->rc == 0 && (s->img ? !image_info(s->img)->direct : j->spec.for_linux)) {
		j->rc = view_ports(x, s->dom.domid, s->img && image_info(s->img)->noxs,
				   &s->guest_port, &s->store_port, &j->err);
		load.console_port = s->guest_port;
		load.store_port = s->store_port;
	}
	if (j->rc == 0 && !s->img && j->spec.for_linux)
		j->rc = dom_window(x, &s->dom, j->window, &j->err);
	if (j->rc == 0 && s->img)
		j->rc = dom_load(x, &s->dom, s->img, &load, &j->err);
	if (j->rc == 0 && s->img)
		j->rc = dom_arm(x, &s->dom, s->img, &j->err);
}

void flavor_back_off(struct flavor *f, const struct err *e)
{
	log_line(LOG_WARN, "op=refill: %s", err_msg(e));
	f->backoff = f->backoff * 2 + 1 < BACKOFF_MAX ? f->backoff * 2 + 1 : BACKOFF_MAX;
	f->retry_at = clock_ns() + (uint64_t)(RETRY_S * 1e9) * f->backoff;
}

static void free_job(struct shell_job *j)
{
	files_drop(&j->files);
	file_close(j->en, FILE_READ, j->image_fd);
	file_close(j->en, FILE_READ, j->ramdisk_fd);
	free(j);
}

void flavor_add_shell(struct flavor *f, struct shell *s)
{
	s->next = f->shells;
	f->shells = s;
	f->f.ready++;
}

static void shell_done(struct worker_job *job)
{
	struct shell_job *j = (struct shell_job *)job;
	struct engine *en = j->en;
	struct flavor *f = j->flavor;
	struct shell *s = j->shell;

	en->shell_job = NULL;
	if (j->rc == 0 && (s->img || !j->spec.for_linux))
		j->rc = domain_map(en, s->dom.domid, s->dom.dev_frame, s->dom.control_frame, true,
				   &s->map, &j->err);
	if (j->rc == 0 && !s->img && !j->spec.for_linux)
		j->rc = dom_window(en->x, &s->dom, WINDOW_PAGES, &j->err);
	if (j->rc < 0 || !f) {
		if (f)
			flavor_back_off(f, &j->err);
		if (j->rc == -EEXIST) /* somebody has its id: the next try takes another */
			slot_put_last(en, &s->slot);
		shell_end(en, s);
	} else {
		f->backoff = 0;
		if (f->f.vifs)
			shell_connect(en, f, s);
		else
			flavor_add_shell(f, s);
	}
	free_job(j);
}

/* The files of a warm flavor, as they are now. */
static int take_files(struct engine *en, const struct flavor *f, struct shell_job *j, struct err *e)
{
	int rc = files_take(j->files, "image", f->f.image, &j->image_fd, e);

	if (rc == 0)
		rc = files_take(j->files, "ramdisk", f->f.ramdisk, &j->ramdisk_fd, e);
	if (rc < 0)
		return rc;
	j->shell->img = images_find(en, j->image_fd);
	(void)file_key(j->ramdisk_fd, &j->shell->ramdisk);
	return 0;
}

static int start_shell(struct engine *en, struct flavor *f, struct shell_job *j, struct err *e)
{
	struct shell *s = j->shell;
	int rc = j->files ? take_files(en, f, j, e) : 0;

	if (rc == 0)
		rc = uuid_random(s->uuid, e);
	if (rc == 0)
		rc = slot_take(en, true, &s->slot, e);
	if (rc == 0)
		rc = record_intent(en, s, e);
	j->spec = (struct dom_spec){.type = f->f.type,
				    .domid = s->slot.domid,
				    .mem_kib = f->f.mem_kib,
				    .vcpus = f->f.vcpus,
				    .cap = UINT32_MAX,
				    .for_linux = f->f.for_linux,
				    .ring_pages = flavor_rings(&f->f)};
	memcpy(j->spec.uuid, s->uuid, sizeof(s->uuid));
	return rc;
}

/* A ramdisk is a file, which may not answer. */
static bool is_short(const struct shell_job *j)
{
	const struct image_info *i = j->shell->img ? image_info(j->shell->img) : NULL;

	return j->spec.mem_kib <= INLINE_MEM_KIB && j->ramdisk_fd < 0 &&
	       (!i || (i->direct && i->end - i->start <= INLINE_IMAGE_BYTES));
}

/* Small ones here, large ones on the worker. */
static void make_shell(struct shell_job *j)
{
	if (!is_short(j)) {
		worker_push(j->en, WORKER_BUILDS, &j->job);
		return;
	}
	build_shell(&j->job, j->en->x);
	shell_done(&j->job);
}

static void shell_image(void *arg, struct image *img, int rc, const struct err *e)
{
	struct shell_job *j = arg;

	j->shell->img = img;
	j->rc = rc;
	j->err = *e;
	if (rc == 0)
		j->rc = flavor_check_image(img, &j->err);
	if (j->rc == 0 && j->flavor)
		make_shell(j);
	else
		shell_done(&j->job);
}

static void never_made(struct shell_job *j, const struct err *e)
{
	struct engine *en = j->en;

	en->shell_job = NULL;
	if (j->flavor)
		flavor_back_off(j->flavor, e);
	shell_end(en, j->shell);
	free_job(j);
}

static void files_are_open(void *arg, struct files *f)
{
	struct shell_job *j = arg;
	struct engine *en = j->en;
	struct err err = {0};

	(void)f;
	if (!j->flavor || start_shell(en, j->flavor, j, &err) < 0) {
		never_made(j, &err);
		return;
	}
	if (j->shell->img || !j->flavor->f.image) {
		make_shell(j);
	} else if (images_read(en, j->image_fd, j->flavor->f.image, shell_image, j, &j->err) < 0) {
		j->rc = -j->err.code;
		shell_done(&j->job);
	}
}

/* One at a time. */
static void add_shell(struct engine *en, struct flavor *f)
{
	struct shell_job *j = calloc(1, sizeof(*j));
	struct shell *s = calloc(1, sizeof(*s));
	struct err err = {0};

	if (!j || !s) {
		(void)err_set(&err, ENOMEM, "out of memory");
		flavor_back_off(f, &err);
		free(j);
		free(s);
		return;
	}
	*j = (struct shell_job){.job = {.work = build_shell, .done = shell_done},
				.en = en,
				.flavor = f,
				.shell = s,
				.window = images_window(en),
				.image_fd = -1,
				.ramdisk_fd = -1};
	dom_init(&s->dom);
	en->shell_job = j;
	if (f->f.image && flavor_files(en, &f->f, &j->files, &err) < 0)
		never_made(j, &err);
	else if (!j->files || files_open(j->files, files_are_open, j))
		files_are_open(j, j->files);
}

bool pool_makes(const struct engine *en, const uint8_t uuid[16])
{
	return en->shell_job && en->shell_job->shell->slot.domid &&
	       memcmp(en->shell_job->shell->uuid, uuid, 16) == 0;
}

void flavor_drop_shells(struct engine *en, struct flavor *f, uint32_t keep)
{
	while (f->f.ready > keep) {
		struct shell *s = f->shells;

		f->shells = s->next;
		f->f.ready--;
		shell_end(en, s);
	}
}

void flavor_ends(struct engine *en, struct flavor *f)
{
	if (en->shell_job && en->shell_job->flavor == f)
		en->shell_job->flavor = NULL;
	flavor_drop_shells(en, f, 0);
	pool_connecting_ends(en, f);
	free(f->f.ramdisk);
	free(f->f.image);
	free(f);
}

/* --- refilling --- */

static void refill_in(struct engine *en, double seconds)
{
	ev_timer_stop(en->loop, &en->refill);
	ev_timer_set(&en->refill, seconds, 0.);
	ev_timer_start(en->loop, &en->refill);
}

void pool_idle_later(struct engine *en)
{
	refill_in(en, REFILL_QUIET_S);
}

void pool_idle_soon(struct engine *en)
{
	if (en->flavors && !ev_is_active(&en->refill))
		refill_in(en, REFILL_QUIET_S);
}

void pool_idle_now(struct engine *en)
{
	refill_in(en, 0.);
}

/* The next flavor that lacks a shell and may have one; *later when one must wait. */
static struct flavor *hungry(struct engine *en, bool *later)
{
	uint64_t held = pool_held(en);
	uint64_t now = clock_ns();

	for (struct flavor *f = en->flavors; f; f = f->next) {
		if (f->f.ready + f->connecting >= f->f.target) {
			f->burst = 0; /* what comes next is another one */
			continue;
		}
		if (f->f.vifs && !pool_may_connect(en))
			continue; /* goes on when one of them is complete */
		if (now < f->retry_at)
			*later = true;
		else if (held + f->f.mem_kib <= en->conf.pool_kib &&
			 !memory_is_coming(en, f->f.mem_kib))
			return f;
	}
	return NULL;
}

/* The heap's next pages are touched now, not by the next create. */
static void touch_heap(void)
{
	volatile uint8_t *p = malloc(HEAP_AHEAD);

	for (uint32_t i = 0; p && i < HEAP_AHEAD; i += 4096)
		p[i] = 0;
	free((void *)(uintptr_t)p);
}

/* One shell, then a gap in which guests and clients get the CPU. */
static void on_refill(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	struct flavor *f;
	bool later = false;
	bool more;

	(void)revents;
	ev_timer_stop(loop, t);
	windows_close(en);
	touch_heap();
	devices_tell(en);
	pool_reap(en);
	more = registry_settle(en);
	if (history_trim(en, TRIM_AT_ONCE)) {
		refill_in(en, REFILL_GAP_S);
		return;
	}
	f = en->shell_job || en->builds ? NULL : hungry(en, &later);
	if (f) {
		add_shell(en, f);
		refill_in(en, REFILL_GAP_S);
	} else if (slots_refill(en) || more) {
		refill_in(en, REFILL_GAP_S);
	} else if (later || en->shell_job) {
		refill_in(en, en->shell_job ? REFILL_QUIET_S : RETRY_S);
	}
}

/* --- learning from demand --- */

/* Wanted and not refilled since: so many should have been there. */
void flavor_wanted(struct engine *en, struct flavor *f)
{
	f->wanted_at = clock_ns();
	if (++f->burst > f->f.target && f->f.target < f->f.high) {
		f->f.target = f->burst < f->f.high ? f->burst : f->f.high;
		if (!ev_is_active(&en->sink))
			ev_timer_again(en->loop, &en->sink);
	}
}

static void on_sink(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	uint64_t now = clock_ns();
	bool raised = false;

	(void)revents;
	for (struct flavor *f = en->flavors; f; f = f->next) {
		if (f->f.target > f->f.low && now - f->wanted_at >= (uint64_t)(SINK_S * 1e9)) {
			f->f.target -= (f->f.target - f->f.low + 3) / 4;
			flavor_drop_shells(en, f, f->f.target);
		}
		raised = raised || f->f.target > f->f.low;
	}
	if (!raised)
		ev_timer_stop(loop, t);
}

void pool_open(struct engine *en)
{
	ev_init(&en->refill, on_refill);
	en->refill.data = en;
	ev_timer_init(&en->sink, on_sink, 0., SINK_S);
	en->sink.data = en;
}

void pool_close(struct engine *en)
{
	if (!ev_cb(&en->refill))
		return;
	ev_timer_stop(en->loop, &en->refill);
	ev_timer_stop(en->loop, &en->sink);
	while (en->flavors) {
		struct flavor *f = en->flavors;

		en->flavors = f->next;
		flavor_ends(en, f);
	}
}

void pool_drop(struct engine *en)
{
	for (struct flavor *f = en->flavors; f; f = f->next) {
		flavor_drop_shells(en, f, 0);
		f->retry_at = clock_ns() + (uint64_t)(RETRY_S * 1e9);
	}
	pool_connecting_drop(en);
	if (en->flavors)
		refill_in(en, RETRY_S);
}
