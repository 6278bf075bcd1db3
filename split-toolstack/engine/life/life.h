/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of VMs that several files of life/ use. */
#ifndef CHAOS_ENGINE_LIFE_H
#define CHAOS_ENGINE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/life/adopt.h"

struct deaths;
struct engine;
struct vm;
struct vm_config;
struct vm_record;

/* --- new.c --- */
struct vm *vm_new(struct engine *en);
void vm_free(struct vm *vm);
bool vm_is_restored(const struct vm *vm); /* it is being built from a file */
/* A new VM from a record, in no list; state and domain of the record are vm_was() and
 * vm_was_domid(). Moves `cfg` into it. NULL: out of memory. */
struct vm *vm_of_record(struct engine *en, const struct vm_record *r, struct vm_config *cfg);
/* Calls fn with a new VM for each record; fn owns it, and may change the registry. -errno: fn was
 * not called. */
int vms_recorded(struct engine *en, void (*fn)(struct vm *vm), struct err *e);

/* --- history.c --- */
/* Removes a VM whose create has failed. A VM in the history with its uuid stays. `announced`:
 * VM_EV_CREATED was sent. */
void vm_unmake(struct vm *vm, bool announced);
/* It runs: removes the VM in the history that has its uuid. Record and console log are its own now.
 */
void vm_replace_old(struct vm *vm);
/* Moves it into the history; its name is free. */
void vm_archive(struct vm *vm);
/* Deletes the oldest VMs of a history that is too long, at most `most` of them; true: there are
 * more. The newest VM stays in any case. */
bool history_trim(struct engine *en, uint32_t most);
#define HISTORY_SLACK 64u /* ended VMs above the limit until history_trim() is called at once */
void vm_delete(struct vm *vm); /* deletes it from the history, with its files; vm is freed */

/* --- create.c --- */
/* Checks whether this host can run such a VM and, if it is large, has the memory. `built`: it is
 * made from a file. */
int create_check(struct engine *en, const struct vm_config *c, bool built, struct err *e);
/* Refuses large guests before anything is made; for small ones the build fails. Memory of running
 * destroys counts as free, because builds wait for it (memory.h). */
int create_check_memory(struct engine *en, const struct vm_config *c, struct err *e);

/* --- answer.c --- */
/* Answers its create, once. */
void vm_create_done(struct vm *vm, int rc, const struct err *e);
/* Its guest has reported that it is ready: also answers its create. */
void vm_is_ready(struct vm *vm);

/* --- place.c --- */
/* Prepares the build of a VM: LIFE_PLACED follows when its devices are free, its files are open and
 * its image is known, or when it cannot be built. `wait`: other VMs still have its devices. */
void vm_place(struct vm *vm, bool wait);
/* The same, but first checks whether its devices are free. */
void vm_place_again(struct vm *vm);

/* --- claim_shell.c --- */
/* Moves the shell that fits best into the VM, whose image and configuration are known. The domain
 * is not started yet. False: there is none; the reason is in t.why. */
bool vm_claim_shell(struct vm *vm);
/* Clears the times of the phases before the claim, which the create did not wait for. */
void vm_forget_phases(struct vm *vm);

/* --- scan.c --- */
/* From now on ends of VMs are noticed. Also decides the mode of the store. */
int scan_open(struct engine *en, struct deaths **out, struct err *e);

/* --- start.c, connect.c --- */
/* Called before each call that changes the domain: 0 if the domain with this id is the VM's; -ESRCH
 * if it is gone, or the id belongs to another domain. While its pages are mapped, Xen keeps the id.
 */
int vm_check_domain(const struct vm *vm);
/* Maps device and control page, if they are not mapped: `fresh`, or as the guest has them. */
int vm_map_pages(struct vm *vm, bool fresh, struct err *e);
/* For an adopted VM: maps its pages. Its events are received after vm_listen(). On failure nothing
 * is left. */
int vm_connect_again(struct vm *vm, struct err *e);
/* Unmaps its pages and closes its channels. Then its domain can be destroyed. */
void vm_disconnect(struct vm *vm);
/* Disconnects its domain, if it has one, and drops it. */
void vm_drop_domain(struct vm *vm);
/* After a build: lets the VM run or leaves it paused, and answers its create. If the build has
 * failed (rc), or this fails, the VM goes into the history if it is kept (life_is_kept());
 * otherwise nothing is left of it. */
int life_finish(struct vm *vm, int rc, struct err *e);
/* Undoes a build, and closes what was opened for it. */
void vm_unbuild(struct vm *vm);

/* --- table.c --- */
/* Opens the lists of VMs with the table of their life. -ENOMEM; vms_close() follows. */
int life_open(struct engine *en, struct err *e);

#endif
