;; attacks = [48]
;; does = "puts a link to its own compiled code where that of an honest plugin is kept"
;; file = { cache = "linked" }
;; goes-on = "what does not carry the host's own seal is compiled again: the honest plugin runs"
;; -- on-batch
(unreachable)
